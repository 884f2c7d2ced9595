-- A server that runs while a later release brings the tables up to date writes nothing from then on, for it does not know what it
-- would leave out: with each step the fence becomes another one, and who finds one that he does not know looks for later steps first.
create function begin_fence() returns trigger language plpgsql as $$
begin
    update feed_sequence set fence = gen_random_uuid();
    return null;
end $$;
create trigger begin_fence after insert on _sqlx_migrations for each statement execute function begin_fence();
