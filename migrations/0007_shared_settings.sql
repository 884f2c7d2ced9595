-- What all servers on the database decide by, as the first of them was started with. Whoever changes it changes the fence in
-- feed_sequence with it.
create table shared_setting (
    name   text        primary key,
    value  text        not null,
    set_at timestamptz not null default now()
);
