//! The part of a server that speaks CQL, from its address to its last word.

use super::{StartError, unusable};
use crate::{
    api::ToldAtScrape,
    cql::{self, CqlServer, Process, Users},
    replica::Replica,
    seats::{self, Seats},
    settings::{Faults, ServeSettings, TlsFiles},
    store::{Database, KeyValueStore, StoreError},
    supervision::Supervision,
    tls::Tls,
};
use socket2::Socket;
use std::{
    net::{Ipv4Addr, SocketAddr},
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle, time::timeout};

/// Where CQL is going to be spoken: nobody is let in before the configuration is loaded, so that who waits for the port waits for that.
pub struct CqlDoor {
    socket: Socket,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
}

/// What TLS there is made of, where it is spoken there, and a look at who may come. Clients show no certificates: they have passwords.
pub fn cql_tls(settings: &ServeSettings, files: Option<&TlsFiles>, faults: &mut Faults) -> Option<Arc<Tls>> {
    settings.cql.cql_listen?;
    if let Some(file) = &settings.cql.cql_users_file {
        let unreadable = |error| settings.told("cql_users_file", format!("{}: {error}", file.display()));
        faults.take(&["cql_users_file"], std::fs::read(file).map_err(unreadable));
    }
    let files = files.filter(|_| settings.cql.cql_tls)?;
    let files = TlsFiles { clients: None, ..files.clone() };
    faults.take(&["tls_certificate"], Tls::read(files).map_err(|error| unusable(settings, &error))).map(Arc::new)
}

/// Takes the address for CQL.
///
/// # Errors
/// When it can't be had.
pub fn open_cql(settings: &ServeSettings, tls: Option<Arc<Tls>>) -> Result<Option<CqlDoor>, StartError> {
    let Some(address) = settings.cql.cql_listen else { return Ok(None) };
    let told = |error| cannot_listen(settings, address, error);
    let socket = cql::reserve(address).map_err(told)?;
    let address = socket.local_addr().map_err(told)?.as_socket().unwrap_or(address);
    Ok(Some(CqlDoor { socket, address, tls }))
}

fn cannot_listen(settings: &ServeSettings, address: SocketAddr, error: std::io::Error) -> StartError {
    StartError::Listen { place: settings.told("cql_listen", address), option: "--cql-listen", error }
}

/// How long the last word to the other processes that speak CQL may take.
const WITHDRAWS_WITHIN: Duration = Duration::from_secs(1);

/// A server that speaks CQL, with threads of its own.
pub struct SpeaksCql {
    threads: Option<Runtime>,
    server: Arc<CqlServer>,
    stop: watch::Sender<bool>,
    /// Who tells the other processes of this one.
    neighbour: JoinHandle<()>,
}

impl SpeaksCql {
    /// Lets in who may come.
    ///
    /// # Errors
    /// When it can't listen, or the database is away.
    pub async fn start(
        door: CqlDoor,
        settings: &ServeSettings,
        database: &Database,
        replica: &Arc<Replica>,
        key_values: &Arc<KeyValueStore>,
        supervision: &Arc<Supervision>,
    ) -> Result<Self, StartError> {
        let refused = |error: StoreError| StartError::Store(database.place(), Box::new(error));
        let CqlDoor { socket, address, tls } = door;
        let listens_at = Some(address.ip()).filter(|address| !address.is_unspecified());
        let own = match settings.cql.cql_advertise.or(listens_at) {
            Some(own) => own,
            None => cql::own_address(database).await.map_err(refused)?.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        };
        let this = Process { address: own.to_canonical(), port: address.port() };
        tracing::info!(address = %this.place(), "CQL: other servers tell daemons that this one is reached there (--cql-advertise)");
        let users = Users::of(settings.cql.cql_users_file.clone());
        let cluster_id = settings.cql.cql_cluster_id.clone();
        let server =
            CqlServer::start(database.clone(), Arc::clone(replica), Arc::clone(key_values), users, this, cluster_id)
                .await
                .map_err(refused)?;
        let server = Arc::new(server);
        server.announce().await.map_err(refused)?;
        if let Some(tls) = tls.clone() {
            supervision.keep("files of TLS for CQL", move || Arc::clone(&tls).follow());
        }
        let threads = cql::threads()?;
        let (stop, stopped) = watch::channel(false);
        let most = usize::try_from(settings.cql.cql_max_connections).unwrap_or(usize::MAX);
        let seats = Seats::new(most, most.div_ceil(2), &seats::CQL, Vec::new());
        let listener = cql::open(socket).map_err(|error| cannot_listen(settings, address, error))?;
        let letting_in = threads.spawn(cql::let_all_in(listener, Arc::clone(&server), seats, tls, stopped));
        // Its threads are not those that are looked after, so its fault is made one of a task that is.
        supervision.need("connections of CQL", async move {
            match letting_in.await {
                Ok(Err(error)) => tracing::error!(%error, "CQL is not spoken any more"),
                Err(fault) if fault.is_panic() => resume_unwind(fault.into_panic()),
                // It was told to stop, or its threads have ended.
                Ok(Ok(())) | Err(_) => {}
            }
        });
        let neighbour = Arc::clone(&server);
        let neighbour =
            supervision.keep("other processes that speak CQL", move || Arc::clone(&neighbour).keep_in_touch());
        Ok(Self { threads: Some(threads), server, stop, neighbour })
    }

    /// Tells how it is, at a scrape.
    pub fn told_at_scrape(&self) -> ToldAtScrape {
        let server = Arc::clone(&self.server);
        Box::new(move |scrape| server.put_metrics(scrape))
    }

    /// Ends all connections, once the others know that this process goes.
    pub async fn stop(mut self) {
        self.server.leave();
        let _ = timeout(WITHDRAWS_WITHIN, &mut self.neighbour).await;
        self.stop.send_replace(true);
    }
}

impl Drop for SpeaksCql {
    fn drop(&mut self) {
        // It must not be waited for in the middle of other work.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}
