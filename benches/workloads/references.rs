//! What the server is compared with: a handler that does nothing, and PostgreSQL doing the same rows.

use crate::{
    load::{Cores, Measured},
    support::Server,
};
use actix_web::{App, HttpResponse, HttpServer, web};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The name of the environment variable that makes this program a bare handler: how many bytes it answers.
pub const BARE: &str = "CIRRUS_BENCH_BARE";

/// Serves a constant body on every path.
pub fn serve_bare(bytes: usize) -> std::io::Result<()> {
    let body = web::Bytes::from(vec![b'x'; bytes]);
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            let body = body.clone();
            let answer = move |_request: web::Bytes| {
                let body = body.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(body) }
            };
            App::new().default_service(web::to(answer))
        })
        .bind("127.0.0.1:0")?;
        println!("http://{}", server.addrs()[0]);
        server.run().await
    })
}

/// Starts this program as a bare handler.
pub fn bare(bytes: usize) -> Server {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    Server::spawn(Command::new(std::env::current_exe().unwrap()).env(BARE, bytes.to_string()), directory)
}

/// `HAProxy` in front of three servers, as `packaging/ha/` has it: reads go to all of them, writes to one. How much the
/// servers behind it compute is not told: the process that is looked at is the proxy.
pub fn haproxy(servers: [&Server; 3]) -> Server {
    const SETTINGS: &str = include_str!("../../packaging/ha/haproxy.cfg");
    let directory = servers[0].shared_directory();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = free.local_addr().unwrap().to_string();
    drop(free);
    let places = ["@ONE@:8082", "@TWO@:8082", "@THREE@:8082"].into_iter().zip(servers);
    let settings = places.fold(SETTINGS.replace("@FRONT@", &front), |settings, (place, server)| {
        settings.replace(place, &server.address)
    });
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, settings).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo http://$1; exec haproxy -db -q -f $2", "sh", &front]).arg(file);
    let proxy = Server::spawn(&mut command, directory);
    // It says that it is ready a moment before it listens.
    while TcpStream::connect(&front).is_err() {
        thread::yield_now();
    }
    proxy
}

/// `PostgreSQL` on tables of its own in the server's cluster, with the same columns, keys and indexes.
pub struct Pgbench<'s> {
    server: &'s Server,
    programs: PathBuf,
}

/// The tables, and 10,000 networks to change.
const TABLES: &str = "
    create schema bench;
    create table bench.object (like public.object including all);
    alter table bench.object add foreign key (parent) references bench.object;
    -- As if the client made it.
    alter table bench.object alter column name_digest set default gen_random_uuid();
    create table bench.change (like public.change including all);
    create table bench.reference (like public.reference including all);
    alter table bench.reference add foreign key (source) references bench.object on delete cascade;
    alter table bench.reference add foreign key (target) references bench.object;
    create sequence bench.number;
    insert into bench.object values (md5('parent')::uuid, 'project', array['domain', 'project'], null, 1, 1, '{}');
    insert into bench.object select md5('network' || n)::uuid, 'virtual-network', array['domain', 'project', 'n' || n],
        md5('parent')::uuid, n, n, NETWORK from generate_series(1, 10000) as n;
    insert into bench.object select md5('policy')::uuid, 'network-policy', array['domain', 'project', 'policy'],
        md5('parent')::uuid, 1, 1, '{}';
    analyze bench.object;";

/// A network with its routing instance: the rows that a create makes.
const CREATE: &str = "
    \\set n random(1, 1000000000000)
    begin;
    insert into bench.object (uuid, type, fq_name, parent, created, revision, properties) values
        (md5('new' || :n)::uuid, 'virtual-network', array['domain', 'project', 'new' || :n], md5('parent')::uuid, 1, 1, NETWORK),
        (md5('instance' || :n)::uuid, 'routing-instance', array['domain', 'project', 'new' || :n, 'new' || :n],
            md5('new' || :n)::uuid, 1, 1, NETWORK);
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body) values
        (nextval('bench.number'), 1, md5('batch')::uuid, now(), 'c', 'virtual-network', md5('new' || :n)::uuid,
            array['domain', 'project', 'new' || :n], CHANGE),
        (nextval('bench.number'), 1, md5('batch')::uuid, now(), 'c', 'routing-instance', md5('instance' || :n)::uuid,
            array['domain', 'project', 'new' || :n, 'new' || :n], CHANGE);
    commit;";

/// The same as one statement.
const CREATE_IN_ONE_STATEMENT: &str = "
    with name as (select nextval('bench.number') as number, gen_random_uuid() as network),
    object as (insert into bench.object (uuid, type, fq_name, parent, created, revision, properties)
        select network, 'virtual-network', array['domain', 'project', 'new' || number], md5('parent')::uuid, number, number,
            NETWORK from name
        union all
        select gen_random_uuid(), 'routing-instance', array['domain', 'project', 'new' || number, 'new' || number], network, number,
            number, NETWORK from name)
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body)
        select -2 * number - n, number, network, now(), 'c', 'virtual-network', network,
            array['domain', 'project', 'new' || number], CHANGE from name, generate_series(0, 1) as n;";

const UPDATE: &str = "
    \\set n random(1, 10000)
    begin;
    update bench.object set properties = NETWORK, revision = 1 where uuid = md5('network' || :n)::uuid;
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body) values
        (nextval('bench.number'), 1, md5('batch')::uuid, now(), 'u', 'virtual-network', md5('network' || :n)::uuid,
            array['domain', 'project', 'n' || :n], CHANGE);
    commit;";

const UPDATE_IN_ONE_STATEMENT: &str = "
    \\set n random(1, 10000)
    with updated as (update bench.object set properties = NETWORK, revision = nextval('bench.number')
        where uuid = md5('network' || :n)::uuid returning revision, uuid)
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body)
        select revision, revision, uuid, now(), 'u', 'virtual-network', uuid, array['domain', 'project', 'n' || :n], CHANGE
        from updated;";

/// Adds a reference, or takes it away; with the object's revision.
const REFERENCE: &str = "
    \\set n random(1, 10000)
    begin;
    update bench.object set properties = NETWORK, revision = 1 where uuid = md5('network' || :n)::uuid;
    with gone as (delete from bench.reference where source = md5('network' || :n)::uuid and target = md5('policy')::uuid returning source)
    insert into bench.reference select md5('network' || :n)::uuid, md5('policy')::uuid, 'network_policy_refs', '{}'
        where not exists (select from gone) on conflict do nothing;
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body) values
        (nextval('bench.number'), 1, md5('batch')::uuid, now(), 'u', 'virtual-network', md5('network' || :n)::uuid,
            array['domain', 'project', 'n' || :n], CHANGE);
    commit;";

const REFERENCE_IN_ONE_STATEMENT: &str = "
    \\set n random(1, 10000)
    with gone as (delete from bench.reference where source = md5('network' || :n)::uuid and target = md5('policy')::uuid returning source),
    come as (insert into bench.reference select md5('network' || :n)::uuid, md5('policy')::uuid, 'network_policy_refs', '{}'
        where not exists (select from gone) on conflict do nothing),
    updated as (update bench.object set properties = NETWORK, revision = nextval('bench.number')
        where uuid = md5('network' || :n)::uuid returning revision, uuid)
    insert into bench.change (rev, request, batch, at, op, type, uuid, fq_name, body)
        select revision, revision, uuid, now(), 'u', 'virtual-network', uuid, array['domain', 'project', 'n' || :n], CHANGE
        from updated;";

/// About as many as are between two checkpoints under load: 1 GiB.
const LOG_FILES: usize = 64;

/// What one transaction does.
#[derive(Clone, Copy)]
pub enum Rows {
    Create,
    CreateInOneStatement,
    Update,
    UpdateInOneStatement,
    Reference,
    ReferenceInOneStatement,
}

impl<'s> Pgbench<'s> {
    /// Makes the tables in the server's cluster.
    pub fn new(server: &'s Server) -> Self {
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
        let programs = installed.map(|version| version.path().join("bin")).filter(|path| path.join("pgbench").exists());
        // Where there is none, the shell's way is tried.
        let programs = programs.max().unwrap_or_default();
        let bench = Self { server, programs };
        let tables = with_bodies(TABLES);
        bench.run("psql", &["--quiet", "--set=ON_ERROR_STOP=1", "--command", &tables]);
        bench.have_log_files();
        bench
    }

    /// Gives PostgreSQL's log the files that it has after its first checkpoints, to be used again. It fills a new one with zeros first, while
    /// all writes wait, which a cluster does only when it is new.
    fn have_log_files(&self) {
        let one = ["--command", "select pg_logical_emit_message(false, '', '')", "--command", "select pg_switch_wal()"];
        let all = one.repeat(LOG_FILES);
        self.run("psql", &[&["--quiet", "--set=ON_ERROR_STOP=1"], &all[..], &["--command", "checkpoint"]].concat());
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let url = self.server.database_url();
        let output = Command::new(self.programs.join(program)).args(arguments).arg(&url).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// So many clients, each with a connection and one transaction at a time.
    pub fn measure(&self, rows: Rows, clients: usize, duration: Duration) -> Measured {
        let script = self.server.directory().join("script.sql");
        let text = match rows {
            Rows::Create => CREATE,
            Rows::CreateInOneStatement => CREATE_IN_ONE_STATEMENT,
            Rows::Update => UPDATE,
            Rows::UpdateInOneStatement => UPDATE_IN_ONE_STATEMENT,
            Rows::Reference => REFERENCE,
            Rows::ReferenceInOneStatement => REFERENCE_IN_ONE_STATEMENT,
        };
        fs::write(&script, with_bodies(text)).unwrap();
        let (clients, seconds) = (clients.to_string(), duration.as_secs().to_string());
        let file = path_text(&script);
        let before = Cores::seconds(&[self.server]);
        let begin = Instant::now();
        let printed = self.run(
            "pgbench",
            &[
                "--no-vacuum",
                "--protocol=prepared",
                "--jobs=2",
                "--client",
                &clients,
                "--time",
                &seconds,
                "--file",
                file,
            ],
        );
        let cores = Cores::between(before, Cores::seconds(&[self.server]), begin.elapsed());
        let value = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{printed}"));
            line.split_whitespace().next().unwrap().parse::<f64>().unwrap()
        };
        // It prints no percentiles.
        Measured { rate: value("tps = "), median: value("latency average = "), p99: f64::NAN, cores }
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Documents as long as those of a network: 557 bytes of properties, 664 in the log.
fn with_bodies(text: &str) -> String {
    let document = |bytes: usize| format!("'{{\"x\": \"{}\"}}'::jsonb", "x".repeat(bytes - 9));
    text.replace("NETWORK", &document(557)).replace("CHANGE", &document(664))
}
