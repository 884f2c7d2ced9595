-- Who takes the turn to write from the only server waits by a clock of its own, from when it has seen that the name is gone, and
-- not by that of the database; and a statement that was given up can't be carried out later.
alter table feed_sequence
    drop column freed_at,
    add column freed uuid,               -- set while the name of an only server may still be gone by
    add column fence uuid not null default gen_random_uuid();  -- who asks what became of a batch changes it; a batch names it
-- Whoever is named runs a release that knows nothing of this: its lease has to be waited for.
update feed_sequence set sole = null, freed = gen_random_uuid() where sole is not null;
