-- When each column of an object was written, for those who read the configuration by columns. What is not named has been what it is
-- since the object was made: `created`. An object that was changed before this step counts as unchanged since it was made.
--
-- A server of an earlier release that still runs leaves this as it is when it writes an object: what it has changed keeps an older
-- time after the next start, until it is changed again. Such a server says by /readyz that it is not to be sent requests any more.
alter table object
    add column written jsonb;            -- first revisions of requests, by names as in {"prop:display_name": 17, "ref:<uuid>": 18}

-- Revisions as times, in microseconds since 1970: base + revision, for revisions after this one. Each history has a base of its own,
-- since a revision of a history that was lost may be another one in this: its time is a later one than all that were told of there.
create table write_time_base (
    after_revision bigint primary key,
    base           bigint not null check (base > 0)
);
insert into write_time_base
select 0, (extract(epoch from clock_timestamp()) * 1000000)::bigint - last_rev from feed_sequence;

-- The times of a history lag behind the clock: it has less than a revision a microsecond. So what the clock says is later than all that
-- was told of, however much of it is lost. Where the clock was put back, how far the lost history came can't be known: then it is a
-- leap of some days that nobody else takes.
create function begin_write_times() returns trigger language plpgsql as $$
begin
    insert into write_time_base
    select new.last_rev,
           case when now > coalesce(max(base), 0) then now
                else max(base) + 1000000000000 + (random() * 1000000000000)::bigint end
    from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint - new.last_rev as now) as clock
         left join write_time_base on true
    group by now
    on conflict (after_revision) do update set base = excluded.base;
    return null;
end
$$;
create trigger begin_write_times after update of epoch on feed_sequence
    for each row when (old.epoch is distinct from new.epoch) execute function begin_write_times();
