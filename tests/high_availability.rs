//! Three machines with `etcd`, Patroni, PostgreSQL and a server each, and `HAProxy` in front, set up as `packaging/ha/` says, in network
//! namespaces. Under load the leader is killed three times, and its machine is cut off once: what was answered is there, nobody
//! reads what was overtaken, and how long no answer came is printed.
//!
//! It needs root, for the namespaces; where it may not be done it is skipped, with a line that says so.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

use crate::support::postgresql::{programs, user_of_postgresql};
use crate::support::{Api, Process, fresh_directory, send_signal, wait_until};

const NAMES: [&str; 3] = ["one", "two", "three"];
const WRITERS: usize = 3;
const READERS: usize = 3;
/// How many creates have to be answered before something is broken, and after it.
const ENOUGH: usize = 100;
/// A set-up comes up, or is whole again, within this.
const WHOLE_WITHIN: Duration = Duration::from_secs(90);
const PASSWORD: &str = "a-password";

pub async fn the_leader_is_killed_and_cut_off() {
    // It takes minutes of a suite that has few.
    if std::env::var_os("CIRRUS_HIGH_AVAILABILITY").is_none() {
        println!("SKIPPED: high availability with Patroni: CIRRUS_HIGH_AVAILABILITY=1 asks for it");
        return;
    }
    if let Some(why) = block_in_place(what_is_missing) {
        println!("SKIPPED: high availability with Patroni: {why}");
        return;
    }
    let mut site = block_in_place(Site::start);
    let load = Arc::new(Load::new(&site).await);
    let tasks = load.begin(&site);

    let mut gaps = Vec::new();
    for round in 1..=3 {
        load.wait_for_more(ENOUGH).await;
        let leader = block_in_place(|| site.leader().expect("a leader"));
        let since = Instant::now();
        block_in_place(|| site.kill_postgresql(leader));
        load.wait_for_more(ENOUGH).await;
        let what = format!("{round}. kill of PostgreSQL and Patroni on {}", NAMES[leader]);
        println!("{what}; writes are answered again after {:.1} s", since.elapsed().as_secs_f64());
        gaps.push((what, load.gaps(since)));
        block_in_place(|| {
            site.start_patroni(leader);
            site.wait_until_whole();
        });
    }
    load.wait_for_more(ENOUGH).await;
    let leader = block_in_place(|| site.leader().expect("a leader"));
    let alone = tokio::spawn(read_on_the_machine(site.namespace(leader), site.address(leader), Arc::clone(&load)));
    let since = Instant::now();
    block_in_place(|| site.link(leader, "down"));
    load.wait_for_more(ENOUGH).await;
    gaps.push((format!("cut off: {}", NAMES[leader]), load.gaps(since)));
    block_in_place(|| {
        site.link(leader, "up");
        site.wait_until_whole();
    });
    load.wait_for_more(ENOUGH).await;
    load.is_done.store(true, Ordering::Relaxed);
    let (answered, refused) = alone.await.unwrap();
    tasks.join_all().await;

    for (what, (writes, reads)) in &gaps {
        println!(
            "{what}: no write answered for {:.1} s, no read for {:.1} s",
            writes.as_secs_f64(),
            reads.as_secs_f64()
        );
    }
    println!("on the machine that was cut off {answered} reads were answered from then to the end, {refused} refused");
    load.verify(&site).await;
    drop(site);
}

/// Why it can't be done here, if it can't.
fn what_is_missing() -> Option<String> {
    for program in ["etcd", "patroni", "haproxy", "ip", "setpriv", "curl"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Some(format!("{program} is not installed"));
        }
    }
    let name = format!("cirrus-try-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output().expect("ip");
    if !made.status.success() {
        return Some(format!(
            "no network namespaces may be made here ({})",
            String::from_utf8_lossy(&made.stderr).trim()
        ));
    }
    ip(&["netns", "del", &name]);
    None
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}

/// Three machines and what is in front of them. All of it goes with this value.
struct Site {
    directory: tempfile::TempDir,
    /// A number of this run, in names and addresses.
    number: u32,
    etcd: Vec<Process>,
    patroni: Vec<Option<Process>>,
    servers: Vec<Process>,
    haproxy: Option<Process>,
    front: String,
}

impl Site {
    fn start() -> Self {
        let front = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut site = Self {
            directory: fresh_directory(),
            number: std::process::id() % 250,
            etcd: Vec::new(),
            patroni: Vec::new(),
            servers: Vec::new(),
            haproxy: None,
            front,
        };
        site.make_network();
        for machine in 0..3 {
            site.start_etcd(machine);
        }
        for machine in 0..3 {
            site.patroni.push(None);
            site.start_patroni(machine);
        }
        wait_until("there is a leader with its database", WHOLE_WITHIN, || site.leader().is_some());
        for machine in 0..3 {
            site.start_server(machine);
        }
        let config = site.made_of("haproxy.cfg", 0);
        site.haproxy = Some(Process::spawn(Command::new("haproxy").args(["-db", "-f"]).arg(config)));
        site.wait_until_whole();
        site
    }

    fn bridge(&self) -> String {
        format!("cirrus{}", self.number)
    }

    fn namespace(&self, machine: usize) -> String {
        format!("cirrus{}-{}", self.number, NAMES[machine])
    }

    /// The end of a machine's link that is outside.
    fn outside(&self, machine: usize) -> String {
        format!("cirrus{}-{machine}", self.number)
    }

    fn address(&self, machine: usize) -> String {
        format!("10.213.{}.{}", self.number, machine + 1)
    }

    fn make_network(&self) {
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["address", "add", &format!("10.213.{}.254/24", self.number), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        for machine in 0..3 {
            let (namespace, outside) = (self.namespace(machine), self.outside(machine));
            ip(&["netns", "add", &namespace]);
            ip(&["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
            ip(&["link", "set", &outside, "master", &bridge, "up"]);
            let address = format!("{}/24", self.address(machine));
            ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"]);
            ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
            ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        }
    }

    fn link(&self, machine: usize, state: &str) {
        ip(&["link", "set", &self.outside(machine), state]);
    }

    fn directory_of(&self, machine: usize) -> PathBuf {
        let directory = self.directory.path().join(NAMES[machine]);
        if !directory.exists() {
            fs::create_dir(&directory).unwrap();
            let (user, group) = user_of_postgresql();
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        directory
    }

    /// A file of `packaging/ha/`, with what is between @ filled in.
    fn made_of(&self, name: &str, machine: usize) -> PathBuf {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/ha");
        let directory = self.directory_of(machine);
        // Nobody else may be able to get there.
        let scripts = directory.join("ha");
        fs::create_dir_all(&scripts).unwrap();
        fs::copy(templates.join("make-database"), scripts.join("make-database")).unwrap();
        let values = BTreeMap::from([
            ("NAME", NAMES[machine].to_owned()),
            ("ADDRESS", self.address(machine)),
            ("ONE", self.address(0)),
            ("TWO", self.address(1)),
            ("THREE", self.address(2)),
            ("NETWORK", format!("10.213.{}.0/24", self.number)),
            ("ETCD_DIR", directory.join("etcd").display().to_string()),
            ("DATA_DIR", directory.join("data").display().to_string()),
            ("SOCKET_DIR", directory.display().to_string()),
            ("HA_DIR", scripts.display().to_string()),
            ("POSTGRESQL_BIN", programs().display().to_string()),
            ("SUPERUSER_PASSWORD", PASSWORD.to_owned()),
            ("REPLICATION_PASSWORD", PASSWORD.to_owned()),
            ("PASSWORD", PASSWORD.to_owned()),
            ("FRONT", self.front.clone()),
        ]);
        let mut text = fs::read_to_string(templates.join(name)).unwrap();
        for (key, value) in values {
            text = text.replace(&format!("@{key}@"), &value);
        }
        let left = text.lines().find(|line| !line.trim_start().starts_with('#') && line.matches('@').count() > 1);
        assert_eq!(left, None, "{name}: something is not filled in");
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        file
    }

    /// Variables of a file as systemd reads it.
    fn environment(&self, name: &str, machine: usize) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.made_of(name, machine)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// A program on a machine, as the user of PostgreSQL.
    fn on(&self, machine: usize, program: &str) -> Command {
        let (user, group) = user_of_postgresql();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(machine), "setpriv", "--clear-groups"]);
        command.args([format!("--reuid={user}"), format!("--regid={group}"), program.to_owned()]);
        command.current_dir("/").env("LC_ALL", "C").env("CIRRUS_DATABASE_PASSWORD", PASSWORD);
        command.env("PATH", format!("{}:{}", programs().display(), std::env::var("PATH").unwrap_or_default()));
        command
    }

    fn start_etcd(&mut self, machine: usize) {
        let variables = self.environment("etcd.env", machine);
        let etcd = Process::spawn(self.on(machine, "etcd").envs(variables));
        self.etcd.push(etcd);
    }

    fn start_patroni(&mut self, machine: usize) {
        let config = self.made_of("patroni.yml", machine);
        self.patroni[machine] = Some(Process::spawn(self.on(machine, "patroni").arg(config)));
    }

    fn start_server(&mut self, machine: usize) {
        let variables = self.environment("cirrus.env", machine);
        let mut command = self.on(machine, env!("CARGO_BIN_EXE_cirrus"));
        command.arg("serve").envs(variables).envs([("CIRRUS_OPEN", "true"), ("CIRRUS_CHECK_AT_END", "true")]);
        self.servers.push(Process::spawn(&mut command));
    }

    /// Ends PostgreSQL and Patroni of a machine at once; nothing of it gets to do anything any more.
    fn kill_postgresql(&mut self, machine: usize) {
        let all = || {
            let output = Command::new("ip").args(["netns", "pids", &self.namespace(machine)]).output().expect("ip");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers = text.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
            let is_meant = |number: &u32| {
                let read = |file: &str| fs::read_to_string(format!("/proc/{number}/{file}")).unwrap_or_default();
                read("comm").trim() == "postgres" || read("cmdline").contains("patroni.yml")
            };
            numbers.filter(is_meant).collect::<Vec<_>>()
        };
        send_signal("STOP", &all());
        wait_until("they are gone", Duration::from_secs(30), || {
            let left = all();
            if !left.is_empty() {
                send_signal("KILL", &left);
            }
            left.is_empty()
        });
        self.patroni[machine] = None;
    }

    /// What Patroni says of all members, whoever of them answers: name, role and state.
    fn members(&self) -> Vec<(String, String, String)> {
        for machine in 0..3 {
            let output = Command::new("curl")
                .args(["--silent", "--max-time", "2", &format!("http://{}:8008/cluster", self.address(machine))])
                .output()
                .expect("curl");
            if let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout)
                && let Some(members) = answer["members"].as_array()
            {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let member = |it: &Value| (text(&it["name"]), text(&it["role"]), text(&it["state"]));
                return members.iter().map(member).collect();
            }
        }
        Vec::new()
    }

    fn leader(&self) -> Option<usize> {
        let members = self.members();
        let (name, ..) = members.iter().find(|(_, role, state)| role == "leader" && state == "running")?;
        NAMES.iter().position(|it| it == name)
    }

    /// A leader, a synchronous standby, another one, and three servers that are ready.
    fn wait_until_whole(&self) {
        let mut members = Vec::new();
        let is_whole = |members: &[(String, String, String)]| {
            let runs = |it: &&(String, String, String)| ["running", "streaming"].contains(&it.2.as_str());
            let has = |role: &str| members.iter().any(|it| it.1 == role);
            members.iter().filter(runs).count() == 3 && has("leader") && has("sync_standby")
        };
        let begin = Instant::now();
        while !is_whole(&members) || !(0..3).all(|machine| self.is_ready(machine)) {
            if begin.elapsed() > WHOLE_WITHIN {
                for (machine, name) in NAMES.iter().enumerate() {
                    let last = |process: Option<&Process>| {
                        let errors = process.map(Process::errors).unwrap_or_default();
                        let is_telling = |line: &&str| {
                            !["no action", "Lock owner", "request id="].iter().any(|it| line.contains(it))
                        };
                        errors.lines().rev().filter(is_telling).take(40).collect::<Vec<_>>().join("\n    ")
                    };
                    println!("{name}, Patroni, backwards:\n    {}", last(self.patroni[machine].as_ref()));
                    println!("{name}, server, backwards:\n    {}", last(self.servers.get(machine)));
                }
                panic!("not whole within {WHOLE_WITHIN:?}: {members:?}");
            }
            std::thread::sleep(Duration::from_millis(300));
            members = self.members();
        }
    }

    fn is_ready(&self, machine: usize) -> bool {
        let url = format!("http://{}:8082/readyz", self.address(machine));
        let answer = Command::new("curl").args(["--silent", "--fail", "--max-time", "5", &url]).output();
        answer.expect("curl").status.success()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The servers first, that compare what they know with what is stored.
        for server in &mut self.servers {
            server.signal("TERM");
        }
        for server in &mut self.servers {
            let status = server.wait(Duration::from_mins(1));
            if !std::thread::panicking() {
                assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", server.errors());
            }
        }
        self.haproxy = None;
        for machine in 0..3 {
            if machine < self.patroni.len() {
                self.kill_postgresql(machine);
            }
        }
        for etcd in &mut self.etcd {
            etcd.signal("KILL");
        }
        self.etcd.clear();
        for machine in 0..3 {
            Command::new("ip").args(["netns", "del", &self.namespace(machine)]).output().ok();
        }
        Command::new("ip").args(["link", "del", &self.bridge()]).output().ok();
    }
}

/// What clients do all the time, and what they were answered.
struct Load {
    api: Api,
    /// The object whose text is counted up by one client, so that whoever reads it can tell how old it is.
    counter: String,
    /// The highest number that somebody was answered, for a write or a read.
    highest: AtomicU64,
    creates: Mutex<Vec<(String, Create)>>,
    /// When writes and reads were answered.
    writes: Mutex<Vec<Instant>>,
    reads: Mutex<Vec<Instant>>,
    is_done: AtomicBool,
}

/// What was answered to a create.
#[derive(Debug)]
enum Create {
    Answered(String),
    /// It is said that nothing was stored.
    Refused(String),
    /// It may be stored, or not.
    Unknown,
}

fn network(name: &str) -> Value {
    json!({"virtual-network": {"fq_name": ["default-domain", "default-project", name], "parent_type": "project"}})
}

impl Load {
    async fn new(site: &Site) -> Self {
        let api = Api::new(&format!("http://{}", site.front));
        let body = json!({"network-policy": {"fq_name": ["default-domain", "default-project", "counter"],
            "parent_type": "project", "display_name": "0"}});
        let answer = api.post("/network-policys", &body).await.ok();
        let counter = answer["network-policy"]["uuid"].as_str().unwrap().to_owned();
        Self {
            api,
            counter: format!("/network-policy/{counter}"),
            highest: AtomicU64::new(0),
            creates: Mutex::default(),
            writes: Mutex::default(),
            reads: Mutex::default(),
            is_done: AtomicBool::new(false),
        }
    }

    fn begin(self: &Arc<Self>, site: &Site) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(Arc::clone(self).create_networks(writer));
        }
        tasks.spawn(Arc::clone(self).count_up());
        for _ in 0..READERS {
            tasks.spawn(Arc::clone(self).read(self.api.clone()));
        }
        // Each server by itself, too, whatever HAProxy thinks of it.
        for machine in 0..3 {
            tasks.spawn(Arc::clone(self).read(Api::new(&format!("http://{}:8082", site.address(machine)))));
        }
        tasks
    }

    fn goes_on(&self) -> bool {
        !self.is_done.load(Ordering::Relaxed)
    }

    async fn create_networks(self: Arc<Self>, writer: usize) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let name = format!("net-{writer}-{number}");
            let outcome = match self.api.try_json("POST", "/virtual-networks", &network(&name)).await {
                Ok(answer) if answer.status == 200 => {
                    self.writes.lock().unwrap().push(Instant::now());
                    Create::Answered(answer.json()["virtual-network"]["uuid"].as_str().unwrap().to_owned())
                }
                // What HAProxy says for itself is that nobody was there, unless a server was left without an answer (502, 504).
                Ok(answer) if answer.status == 503 && !answer.text.contains("not known") => {
                    Create::Refused(answer.text)
                }
                Ok(answer) => {
                    assert!(matches!(answer.status, 502..=504), "{answer}");
                    Create::Unknown
                }
                Err(_) => Create::Unknown,
            };
            let is_answered = matches!(outcome, Create::Answered(_));
            self.creates.lock().unwrap().push((name, outcome));
            sleep(Duration::from_millis(if is_answered { 5 } else { 50 })).await;
        }
    }

    /// The only one who writes the counter: each number once, and only on what was there when it was sent. What got lost on its way
    /// may come later than its successor, and does nothing then.
    async fn count_up(self: Arc<Self>) {
        for number in 1_u64.. {
            if !self.goes_on() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
            let Ok(read) = self.api.send("GET", &self.counter, &[], None).await else { continue };
            let Some(tag) = read.headers.get("etag").filter(|_| read.status == 200) else { continue };
            let body = json!({"network-policy": {"display_name": number.to_string()}});
            let headers = [("Content-Type", "application/json"), ("If-Match", tag.as_str())];
            let body = Some(serde_json::to_vec(&body).unwrap());
            if let Ok(answer) = self.api.send("PUT", &self.counter, &headers, body).await {
                if answer.status == 200 {
                    self.writes.lock().unwrap().push(Instant::now());
                    self.highest.fetch_max(number, Ordering::SeqCst);
                } else {
                    assert!(matches!(answer.status, 412 | 502..=504), "{answer}");
                }
            }
        }
    }

    /// What is read is never older than what anybody had been answered before the question.
    async fn read(self: Arc<Self>, api: Api) {
        while self.goes_on() {
            let before = self.highest.load(Ordering::SeqCst);
            let Ok(asked) = timeout(Duration::from_secs(20), api.send("GET", &self.counter, &[], None)).await else {
                // Its machine is cut off.
                continue;
            };
            match asked {
                Ok(answer) if answer.status == 200 => {
                    self.reads.lock().unwrap().push(Instant::now());
                    self.hold_against(&answer.json(), before, api.base());
                }
                Ok(answer) => assert!(matches!(answer.status, 502..=504), "{answer}"),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn hold_against(&self, answer: &Value, before: u64, from: &str) {
        let found: u64 = answer["network-policy"]["display_name"].as_str().unwrap().parse().unwrap();
        assert!(found >= before, "{from} answers {found}, and {before} had been answered before");
        self.highest.fetch_max(found, Ordering::SeqCst);
    }

    async fn wait_for_more(&self, count: usize) {
        let wanted = self.writes.lock().unwrap().len() + count;
        let begin = Instant::now();
        while self.writes.lock().unwrap().len() < wanted {
            assert!(begin.elapsed() < WHOLE_WITHIN, "no {count} writes are answered within {WHOLE_WITHIN:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The longest times without an answer to a write, and to a read, since then.
    fn gaps(&self, since: Instant) -> (Duration, Duration) {
        let gap = |times: &Mutex<Vec<Instant>>| {
            let mut times = times.lock().unwrap().clone();
            times.sort();
            let first = times.partition_point(|at| *at < since).saturating_sub(1);
            times[first..].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
        };
        (gap(&self.writes), gap(&self.reads))
    }

    /// Every server has what was answered, and nothing of what was refused.
    async fn verify(&self, site: &Site) {
        let creates = self.creates.lock().unwrap().drain(..).collect::<Vec<_>>();
        let mut counts = [0_usize; 3];
        for (machine, on) in NAMES.iter().enumerate() {
            let api = Api::new(&format!("http://{}:8082", site.address(machine)));
            let list = api.get("/virtual-networks?count=false").await.ok();
            let there: BTreeMap<String, String> = list["virtual-networks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| (it["fq_name"][2].as_str().unwrap().to_owned(), it["uuid"].as_str().unwrap().to_owned()))
                .collect();
            counts = [0; 3];
            for (name, create) in &creates {
                let found = there.get(name);
                match create {
                    Create::Answered(uuid) => assert_eq!(found, Some(uuid), "{name} was answered; {on}"),
                    Create::Refused(text) => assert_eq!(found, None, "{name} was refused: {text}; {on}"),
                    Create::Unknown => {}
                }
                let place = [matches!(create, Create::Answered(_)), matches!(create, Create::Refused(_)), true];
                counts[place.iter().position(|it| *it).unwrap()] += 1;
            }
            let answer = api.get(&self.counter).await.ok();
            self.hold_against(&answer, self.highest.load(Ordering::SeqCst), api.base());
        }
        let [answered, refused, unknown] = counts;
        println!(
            "{answered} creates answered, {refused} refused, {unknown} with an end that is not known; all as answered"
        );
    }
}

/// A client on the machine that is cut off: what its server answers is held against the rest, too. Gives how many answers there
/// were, and how many refusals.
async fn read_on_the_machine(namespace: String, address: String, load: Arc<Load>) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    while load.goes_on() {
        let before = load.highest.load(Ordering::SeqCst);
        let url = format!("http://{address}:8082{}", load.counter);
        let mut asked = tokio::process::Command::new("ip");
        asked.args(["netns", "exec", &namespace, "curl", "--silent", "--max-time", "20", &url]);
        let output = asked.output().await.expect("curl");
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(answer) => {
                answered += 1;
                load.hold_against(&answer, before, "the server that is cut off");
            }
            Err(_) => refused += 1,
        }
    }
    (answered, refused)
}
