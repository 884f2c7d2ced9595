-- The change log for feeds: it says everything about a change by itself, is trimmed a partition at a time, and knows who
-- still reads in it.

-- Changes that were written before did not name what objects refer to, so no feed could tell them: the log starts anew.
drop table change;

create table change (
    rev     bigint      not null primary key,
    request bigint      not null,        -- number of the last change of the same request
    batch   uuid        not null,        -- changes that were committed together
    at      timestamptz not null,
    op      text        not null check (op in ('c', 'u', 'd', 'i', 'm', 'r', 'f')),
        -- created, updated, deleted, updated implicitly (other end of a symmetric reference), renamed,
        -- addresses reserved, addresses freed
    type    text        not null,
    uuid    uuid        not null,
    fq_name text[]      not null,
    body    jsonb       not null,        -- the object after the change; for a deleted one its last state
    trace   text,                        -- the request's id
    who     text
) partition by range (rev);              -- change_1, change_100001, ...: made by whoever commits what they are for

alter table feed_sequence
    add column floor             bigint not null default 0,  -- the last change that was trimmed
    add column partitioned_until bigint not null default 0,  -- the last change that has a partition
    add column cluster           text;                       -- where the epoch began: another one means another history
update feed_sequence set floor = last_rev, partitioned_until = last_rev;

-- How far sinks have come, and the readers of each server: what is not read yet is kept, within limits.
create table feed_position (
    name   text        primary key,
    rev    bigint      not null,
    epoch  uuid        not null,
    holder uuid,                         -- the server that sends
    at     timestamptz not null          -- a position that nobody renews holds nothing
);
