-- The digest that makes names unique is a column, which whoever writes an object fills: to make it here, for each entry of the index,
-- cost as much as all other indexes together. It is the first half of the SHA-256, which is the size of a uuid, and is kept and compared
-- as one; with the type in it, so that the index has nothing else.

-- First what every batch begins with, and what the trigger of this step changes at its end: a server that writes meanwhile would have the
-- one, and wait for the other.
lock table feed_sequence in exclusive mode;

create function object_name_digest(type text, fq_name text[]) returns uuid
    language sql immutable strict parallel safe
    return encode(substring(sha256(convert_to(type || ':' || array_to_string(fq_name, ':'), 'UTF8')) for 16), 'hex')::uuid;

drop index object_fq_name;
alter table object add column name_digest uuid;
-- Writes the table anew, and not each row a second time.
alter table object
    alter column name_digest type uuid using object_name_digest(type, fq_name),
    alter column name_digest set not null;
create unique index object_fq_name on object (name_digest);
