-- What tells a database from a copy of it that was put in its place, which lacks the last changes.
alter table feed_sequence
    add column relation text,            -- this very table: a dump that is restored makes another one
    add column mark     text;            -- the file beside a private cluster
update feed_sequence
set relation = concat_ws('/', 'feed_sequence'::regclass::oid, pg_relation_filenode('feed_sequence'));

-- What a change takes away is taken away by the change itself, row by row, as the log tells it. A row that goes by itself
-- would be missed by all who follow the log; now it is refused.
alter table reference
    drop constraint reference_source,
    add constraint reference_source foreign key (source) references object;
alter table address_hold
    drop constraint address_hold_scope,
    add constraint address_hold_scope foreign key (scope) references object,
    drop constraint address_hold_owner,
    add constraint address_hold_owner foreign key (owner) references object;
