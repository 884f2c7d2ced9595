//! The processes that listen for clients of Cassandra: each says every second or so that it is there, and hears of the others.

use super::{Session, StoreError};
use ipnetwork::IpNetwork;
use sqlx::Row;
use std::net::IpAddr;
use uuid::Uuid;

/// Another process that listens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    /// Which one it is.
    pub server: Uuid,
    /// Where it listens.
    pub address: IpAddr,
    /// Where there.
    pub port: u16,
}

/// Renews the own row, then takes out those that are gone, unless somebody is at them, so that nobody waits for who waits for it;
/// and gives the others that were renewed lately.
const ANNOUNCE: &str = "
    with own as (
        insert into cql_server (server, address, port, at) values ($1, $2, $3, now())
        on conflict (server) do update set address = excluded.address, port = excluded.port, at = excluded.at
        returning 1),
    gone as (
        delete from cql_server where server = any(array(
            select server from cql_server
            where (select count(*) from own) = 1 and server <> $1 and at < now() - interval '5 seconds'
            for update skip locked)))
    select server, address, port from cql_server
    where server <> $1 and at >= now() - interval '5 seconds' order by server";

/// Says that this process listens there, and gives the others that have said so within the last 5 seconds, by the clock of the
/// database.
///
/// # Errors
/// When the database is away.
pub async fn announce(
    session: &mut Session,
    server: Uuid,
    address: IpAddr,
    port: u16,
) -> Result<Vec<Peer>, StoreError> {
    let query = sqlx::query(ANNOUNCE).bind(server).bind(IpNetwork::from(address)).bind(i32::from(port));
    let rows = session.rows(query).await?;
    rows.iter()
        .map(|row| {
            let (address, port): (IpNetwork, i32) = (row.try_get("address")?, row.try_get("port")?);
            let port = u16::try_from(port).map_err(|_| StoreError::Row(format!("port is {port}")))?;
            Ok(Peer { server: row.try_get("server")?, address: address.ip(), port })
        })
        .collect()
}

/// Says that it does so no longer.
///
/// # Errors
/// When the database is away.
pub async fn withdraw(session: &mut Session, server: Uuid) -> Result<(), StoreError> {
    session.execute(sqlx::query("delete from cql_server where server = $1").bind(server)).await?;
    Ok(())
}

/// The address of this machine as the database sees it; none behind a Unix socket.
///
/// # Errors
/// When the database is away.
pub async fn client_address(session: &mut Session) -> Result<Option<IpAddr>, StoreError> {
    let address: Option<IpNetwork> = session.value(sqlx::query("select inet_client_addr()")).await?;
    Ok(address.map(|address| address.ip()))
}
