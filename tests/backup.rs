//! A database is backed up by PostgreSQL's own means while clients write, and restored elsewhere: from a dump, and from a copy of its
//! files with the log that was archived since, up to a point in time. It is sound then, it has what was answered before, and
//! whoever followed the changes is told that it is another history.

use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use crate::support::postgresql::{Cluster, owned_directory, program};
use crate::support::{Api, Server, cirrus_program, wait_until};

const CLIENTS: usize = 4;
const LIMIT: Duration = Duration::from_mins(1);

pub async fn what_is_restored_is_sound() {
    let archive = owned_directory();
    let command = format!("archive_command=cp '%p' '{}/%f'", archive.path().display());
    let original = block_in_place(|| Cluster::start("original", &["archive_mode=on", &command]));
    block_in_place(|| original.create_database());
    let server = block_in_place(|| Server::start_on(&original.url()));
    let load = Arc::new(Load { answered: Mutex::default(), is_done: AtomicBool::new(false) });
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(Arc::clone(&load).create_networks(server.api(), client));
    }

    load.wait_for_more(100).await;
    let copy = block_in_place(|| original.back_up(&[]));
    load.wait_for_more(100).await;
    let before_dump = load.names();
    let dump = owned_directory();
    let file = dump.path().join("cirrus.dump").display().to_string();
    let dumping = program("pg_dump").args(["--format=custom", "--file", &file, &original.url()]).output();
    succeeds(&dumping.expect("pg_dump"));
    load.wait_for_more(100).await;
    // Nothing is under way at the point that is gone back to, so that it is known what there was.
    let before_point = load.pause(&mut clients).await;
    let position = server.api().position().await;
    original.execute("select pg_create_restore_point('before_the_mistake')");
    let mistake = network("the-mistake");
    server.api().post("/virtual-networks", &mistake).await.ok();
    original.execute("create table archived as select pg_walfile_name(pg_current_wal_lsn()) as name");
    original.execute("select pg_switch_wal()");
    wait_until("the log is archived", LIMIT, || {
        let done = "select 1 from pg_stat_archiver, archived where last_archived_wal >= name";
        !original.processes(done).is_empty()
    });
    drop(server);

    // A dump has everything that was answered before it began, and is one moment as a whole.
    let elsewhere = block_in_place(|| Cluster::start("elsewhere", &[]));
    let url = block_in_place(|| elsewhere.create_database_called("restored"));
    succeeds(&program("pg_restore").args(["--exit-on-error", "--dbname", &url, &file]).output().expect("pg_restore"));
    let (_server, api) = restored(&url, &position).await;
    has_all(&api, &before_dump).await;
    assert_eq!(api.find("virtual-network", &mistake["virtual-network"]["fq_name"]).await, None);

    // The point in time has exactly what was there then.
    let recovered = block_in_place(|| Cluster::start_recovery("recovered", copy, archive.path(), "before_the_mistake"));
    let (_server, api) = restored(&recovered.url(), &position).await;
    has_all(&api, &before_point).await;
    assert_eq!(api.find("virtual-network", &mistake["virtual-network"]["fq_name"]).await, None);

    // A copy of files that was put back without recovery is not known by anything: it has to be told.
    let position = api.position().await;
    assert_eq!(changes_since(&api, &position).await, 200);
    let told = cirrus(&["new-epoch", "--database-url", &recovered.url()]);
    assert!(succeeds(&told).starts_with("a new epoch of revisions begins after "), "{told:?}");
    api.post("/virtual-networks", &network("after")).await.ok();
    assert_eq!(changes_since(&api, &position).await, 410);
    succeeds(&cirrus(&["check", "--database-url", &recovered.url()]));
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cirrus(arguments: &[&str]) -> Output {
    block_in_place(|| cirrus_program().args(arguments).output().expect("cirrus"))
}

fn network(name: &str) -> Value {
    json!({"virtual-network": {"fq_name": ["default-domain", "default-project", name], "parent_type": "project"}})
}

async fn changes_since(api: &Api, position: &str) -> u16 {
    api.get(&format!("/changes?since={position}&wait=0")).await.status
}

/// A server on what was restored, which is sound, and in which positions of before mean nothing.
async fn restored(url: &str, position: &str) -> (Server, Api) {
    let server = block_in_place(|| Server::start_on(url));
    let api = server.api();
    succeeds(&cirrus(&["check", "--database-url", url]));
    assert_eq!(changes_since(&api, position).await, 410, "{position} is of another history");
    api.post("/virtual-networks", &network("written after")).await.ok();
    (server, api)
}

async fn has_all(api: &Api, names: &[String]) {
    assert!(names.len() > 100);
    for name in names {
        let found = api.find("virtual-network", &network(name)["virtual-network"]["fq_name"]).await;
        assert!(found.is_some(), "{name} was answered before");
    }
}

/// Clients that create networks.
struct Load {
    answered: Mutex<Vec<String>>,
    is_done: AtomicBool,
}

impl Load {
    async fn create_networks(self: Arc<Self>, api: Api, client: usize) {
        for number in 0.. {
            if self.is_done.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("net-{client}-{number}");
            api.post("/virtual-networks", &network(&name)).await.ok();
            self.answered.lock().unwrap().push(name);
        }
    }

    fn names(&self) -> Vec<String> {
        self.answered.lock().unwrap().clone()
    }

    async fn wait_for_more(&self, count: usize) {
        let (wanted, begin) = (self.names().len() + count, Instant::now());
        while self.names().len() < wanted {
            assert!(begin.elapsed() < LIMIT, "no {count} writes are answered within {LIMIT:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the clients; gives all that was answered.
    async fn pause(&self, clients: &mut JoinSet<()>) -> Vec<String> {
        self.is_done.store(true, Ordering::Relaxed);
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        self.names()
    }
}
