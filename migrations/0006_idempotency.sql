-- What was answered to requests that had a key (`Idempotency-Key`), for a day: the same request under the same key gets it again.
-- Written by the statement that writes what the request did.
create table idempotency_key (
    who         text        not null,    -- whose key it is, as JSON: user and project
    key         text        not null,    -- as the client has chosen it
    fingerprint bytea       not null,    -- SHA-256 of the request: another one is refused
    batch       uuid        not null,    -- what it was committed with; a batch may have changed nothing else
    revision    bigint      not null,    -- where its changes are in the log
    outcome     json        not null,    -- what the answer is made of; read as a whole, never asked
    at          timestamptz not null default now(),
    primary key (who, key)
);
create index idempotency_key_at on idempotency_key (at);
