-- The configuration, durable. Servers keep it in memory as a graph and write it here in ordered batches; the
-- constraints are the second net under the rules that the servers enforce.

-- One row: the number of the last change, and which server may answer reads without asking here first.
create table feed_sequence (
    one      boolean primary key default true check (one),
    last_rev bigint not null,
    epoch    uuid   not null,
    sole     uuid,
    freed_at timestamptz     -- when a server was told that it is no longer the only one
);
insert into feed_sequence (last_rev, epoch) values (0, gen_random_uuid());

-- Names may be longer than an index entry, so uniqueness is that of a digest. The elements of a name hold no colon,
-- except the single one of a route-target.
create function fq_name_digest(fq_name text[]) returns bytea
    language sql immutable strict parallel safe
    return sha256(convert_to(array_to_string(fq_name, ':'), 'UTF8'));

create table object (
    uuid       uuid   primary key,
    type       text   not null,
    fq_name    text[] not null,
    parent     uuid   constraint object_parent references object,
    created    bigint not null,          -- order of creation
    revision   bigint not null,          -- the last change
    properties jsonb  not null,
    positions  jsonb,                    -- of the elements of list properties, where a client has chosen them
    relaxed    uuid[]                    -- referenced objects whose delete this object does not stop
);
create unique index object_fq_name on object (type, fq_name_digest(fq_name));
create index object_children on object (parent) where parent is not null;
create unique index object_network_id on object ((properties->>'virtual_network_network_id'))
    where type = 'virtual-network' and properties ? 'virtual_network_network_id';

create table reference (
    source uuid not null constraint reference_source references object on delete cascade,
    target uuid not null constraint reference_target references object,
    name   text not null,                -- the field that shows it: network_ipam_refs
    attr   jsonb,
    primary key (source, target)
);
create index reference_back on reference (target);

-- Addresses that are taken out of the pool of a virtual network or a flat network ipam (scope), each once.
create table address_hold (
    scope   uuid not null constraint address_hold_scope references object on delete cascade,
    address inet not null,
    owner   uuid constraint address_hold_owner references object on delete cascade, -- none: ip-alloc
    constraint address_hold_once primary key (scope, address)
);
create index address_hold_by_owner on address_hold (owner) where owner is not null;

-- What happened, in order, without gaps.
create table change (
    rev     bigint      primary key,
    request bigint      not null,        -- number of the last change of the same request
    batch   uuid        not null,        -- changes that were committed together
    at      timestamptz not null,
    op      text        not null check (op in ('c', 'u', 'd', 'i', 'r', 'f')),
        -- created, updated, deleted, updated implicitly (other end of a symmetric reference),
        -- addresses reserved, addresses freed
    type    text        not null,
    uuid    uuid        not null,
    fq_name text[]      not null,
    body    jsonb       not null,        -- the object after the change; for a deleted one its last state
    trace   text,                        -- the request's id
    who     text
);

create table key_value (
    key   text not null,
    value text not null
);
-- Keys, too, may be longer than an index entry.
create unique index key_value_key on key_value (fq_name_digest(array[key]));

-- What the views below were made from.
create table model (
    one    boolean primary key default true check (one),
    digest text not null
);
