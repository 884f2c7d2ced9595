//! The package that `./package` makes, in the life of a plain Debian: installed, started as its unit says, upgraded, removed, purged.
//! It is made of the program under test, and takes root and what `./check` prepares for it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::chroot::Chroot;
use crate::support::{Process, Server, fresh_directory};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const SETTINGS: &str = "/etc/cirrus/cirrus.toml";
const VARIABLES: &str = "/etc/cirrus/cirrus.env";
const DATA: &str = "/var/lib/cirrus";
const LATER: &str = "999.0.0";
const LIMIT: Duration = Duration::from_mins(2);
/// Someone who is not there to be asked, as unattended upgrades have it.
const INSTALL: [&str; 5] = [
    "apt-get",
    "install",
    "--yes",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
];

pub async fn it_is_installed_started_upgraded_and_removed() {
    let Some(debian) = Chroot::unpack() else {
        println!("skipped: the test of the package needs the Debian in CIRRUS_CHROOT, which ./check makes as root");
        return;
    };
    let directory = fresh_directory();
    let package = make(directory.path());
    is_clean(&package);

    let said = install(&debian, &package);
    assert!(!said.contains("installed by hand"), "{said}");
    is_installed(&debian);
    manual_pages_can_be_read(&debian);
    commands_are_completed(&debian);

    change_settings(&debian, "listen = \"127.0.0.1:0\"\ncheck-at-end = true\n");
    let mut server = start(&debian);
    let network = json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "kept"],
        "parent_type": "project"}});
    server.api().post("/virtual-networks", &network).await.ok();

    // The old one goes on until it is restarted.
    let said = install(&debian, &later(&package, directory.path()));
    assert!(said.contains(LATER), "{said}");
    server.api().get("/virtual-networks").await.ok();
    assert!(server.terminate().success());
    drop(server);
    assert!(debian.read(SETTINGS).contains("listen = \"127.0.0.1:0\"\n"), "settings are kept");
    are_only_for_those_who_need_them(&debian);
    assert!(
        debian.read(&format!("{SETTINGS}.dpkg-dist")).contains("of a later version"),
        "and what is new is beside them"
    );
    let mut server = start(&debian);
    let networks = server.api().get("/virtual-networks").await.ok();
    assert!(networks.to_string().contains("\"kept\""), "{networks}");
    assert!(server.terminate().success());
    drop(server);

    debian.run(&["apt-get", "remove", "--yes", "cirrus"]);
    assert!(!debian.outside("/usr/bin/cirrus").exists());
    assert!(debian.outside(SETTINGS).exists(), "settings stay until they are purged");
    is_kept(&debian);
    let said = debian.run(&["apt-get", "purge", "--yes", "cirrus"]);
    assert!(said.contains("the data in /var/lib/cirrus, and the user cirrus, are kept"), "{said}");
    assert!(!debian.outside(SETTINGS).exists());
    is_kept(&debian);
    has_left_nothing(&debian);

    // Somebody who had installed it by hand is told what goes before the package.
    fs::write(debian.outside("/etc/systemd/system/cirrus.service"), "[Service]\n").unwrap();
    let said = install(&debian, &package);
    assert!(said.contains("/etc/systemd/system/cirrus.service was installed by hand"), "{said}");
}

/// The version of Cargo.toml, which the program and the package have, is the newest that CHANGELOG.md tells of.
pub fn its_version_is_the_newest() {
    let changes = include_str!("../CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).expect("a heading");
    let told = newest.strip_prefix("Unreleased (").and_then(|rest| rest.strip_suffix(')'));
    let told = told.or_else(|| Some(newest.split_once(" (")?.0));
    assert_eq!(told, Some(VERSION), "Cargo.toml, and CHANGELOG.md's '{newest}'");
    let help = Command::new(env!("CARGO_BIN_EXE_cirrus")).arg("--version").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.starts_with(&format!("cirrus {VERSION}")), "{help}");
}

/// Makes the package, into this directory.
fn make(directory: &Path) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/package");
    let output = Command::new(script)
        .arg(env!("CARGO_BIN_EXE_cirrus"))
        .arg(directory)
        .envs([("DPKG_DEB_COMPRESSOR_TYPE", "gzip"), ("DPKG_DEB_COMPRESSOR_LEVEL", "1")])
        .output()
        .expect("./package");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut packages = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = packages.next().expect("a package");
    let name = package.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&format!("cirrus_{VERSION}")), "{name}");
    assert_eq!(packages.next(), None, "one package");
    package
}

/// What Debian's own check has to say of it, where it is installed.
fn is_clean(package: &Path) {
    let Ok(output) = Command::new("lintian").args(["--fail-on", "error,warning"]).arg(package).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The same package as one of a later version, with other settings in it.
fn later(package: &Path, directory: &Path) -> PathBuf {
    let unpacked = directory.join("later");
    let run = |words: &[&std::ffi::OsStr]| {
        assert!(Command::new("dpkg-deb").args(words).output().expect("dpkg-deb").status.success(), "{words:?}");
    };
    run(&["-R".as_ref(), package.as_ref(), unpacked.as_ref()]);
    let control = unpacked.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let lines =
        text.lines().map(|line| if line.starts_with("Version: ") { format!("Version: {LATER}") } else { line.into() });
    fs::write(&control, lines.collect::<Vec<String>>().join("\n") + "\n").unwrap();
    let settings = unpacked.join(SETTINGS.trim_start_matches('/'));
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + "# of a later version\n").unwrap();
    let made = directory.join("later.deb");
    run(&["-Znone".as_ref(), "-b".as_ref(), unpacked.as_ref(), made.as_ref()]);
    made
}

/// Installs a package, as a person would: what it depends on has to be there, or to be had.
fn install(debian: &Chroot, package: &Path) -> String {
    let package = debian.put(package);
    debian.run(&[&INSTALL[..], &[package.as_str()]].concat())
}

fn is_installed(debian: &Chroot) {
    let state = debian.run(&["dpkg-query", "--show", "--showformat=${Status} ${Version}", "cirrus"]);
    assert!(state.starts_with(&format!("install ok installed {VERSION}")), "{state}");
    let said = debian.run(&["cirrus", "--version"]);
    assert!(said.starts_with(&format!("cirrus {VERSION}")), "{said}");
    let sections =
        Command::new("readelf").args(["--sections", "--wide"]).arg(debian.outside("/usr/bin/cirrus")).output();
    let sections = String::from_utf8(sections.expect("readelf").stdout).unwrap();
    assert!(sections.contains(".text") && !sections.contains(".symtab"), "it is stripped: {sections}");
    are_only_for_those_who_need_them(debian);
    let user = debian.run(&["getent", "passwd", "cirrus"]);
    assert!(user.contains(&format!(":{DATA}:")), "{user}");
    for examples in ["access.conf", "prometheus/cirrus.rules.yml", "ha/haproxy.cfg"] {
        assert!(debian.outside(&format!("/usr/share/doc/cirrus/examples/{examples}")).exists(), "{examples}");
    }
    let wanted = debian.outside("/etc/systemd/system/multi-user.target.wants/cirrus.service");
    assert!(wanted.is_symlink(), "it starts with the machine");
    debian.run(&["systemd-analyze", "verify", "--man=no", "cirrus.service"]);
}

/// Settings may have passwords in them: nobody reads them but root, and the server those that systemd does not read for it.
fn are_only_for_those_who_need_them(debian: &Chroot) {
    for (file, rights) in [(SETTINGS, "root cirrus 640"), (VARIABLES, "root root 600")] {
        assert_eq!(debian.run(&["stat", "--format=%U %G %a", file]).trim(), rights, "{file}");
    }
}

/// All commands that `--help` names have a page.
fn manual_pages_can_be_read(debian: &Chroot) {
    let help = debian.run(&["cirrus", "--help"]);
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let commands =
        commands.lines().filter_map(|line| line.trim_start().split(' ').next().filter(|name| *name != "help"));
    let commands: Vec<&str> = commands.collect();
    assert!(commands.contains(&"serve") && !commands.contains(&"man") && !commands.contains(&"completions"), "{help}");
    for command in commands {
        debian.run(&["man", "--where", &format!("cirrus-{command}")]);
    }
    let page = debian.run(&["man", "cirrus"]);
    assert!(page.contains("cirrus-serve(1)"), "{page}");
    let page = debian.run(&["man", "cirrus-serve"]);
    assert!(page.contains("CIRRUS_DATABASE_URL") && page.contains("--listen"), "{page}");
}

fn commands_are_completed(debian: &Chroot) {
    let script = ". /usr/share/bash-completion/completions/cirrus
        COMP_WORDS=(cirrus serve --database-u) COMP_CWORD=2
        _cirrus cirrus --database-u serve
        echo \"${COMPREPLY[@]}\"";
    assert_eq!(debian.run(&["bash", "-c", script]).trim(), "--database-url");
    for (file, part) in [
        ("zsh/vendor-completions/_cirrus", "#compdef cirrus"),
        ("fish/vendor_completions.d/cirrus.fish", "database-url"),
    ] {
        let text = debian.read(&format!("/usr/share/{file}"));
        assert!(text.contains(part), "{file}");
    }
}

fn change_settings(debian: &Chroot, lines: &str) {
    let file = debian.outside(SETTINGS);
    fs::write(&file, fs::read_to_string(&file).unwrap() + lines).unwrap();
}

/// What a unit says: the values of a name, one a line.
fn said<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// Starts the service as systemd does by what its unit says, and waits until it says that it is ready.
fn start(debian: &Chroot) -> Server {
    let unit = debian.read("/lib/systemd/system/cirrus.service");
    let one = |name: &str| match said(&unit, name)[..] {
        [value] => value,
        ref values => panic!("{name}: {values:?}"),
    };
    let (user, group) = (one("User"), one("Group"));
    let mut command = vec!["setpriv", "--init-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"];
    let (user_option, group_option) = (format!("--reuid={user}"), format!("--regid={group}"));
    command.extend([user_option.as_str(), group_option.as_str()]);
    command.extend(one("ExecStart").split(' '));

    let mut variables: Vec<(String, String)> = Vec::new();
    for (name, above) in [("State", "/var/lib"), ("Runtime", "/run")] {
        let directory = format!("{above}/{}", one(&format!("{name}Directory")));
        let mode = format!("--mode={}", one(&format!("{name}DirectoryMode")));
        debian.run(&["install", "--directory", "--owner", user, "--group", group, &mode, &directory]);
        variables.push((format!("{}_DIRECTORY", name.to_uppercase()), directory));
    }
    let file = debian.read(one("EnvironmentFile").trim_start_matches('-'));
    let in_file = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in said(&unit, "Environment").into_iter().chain(in_file) {
        let (name, value) = line.split_once('=').unwrap();
        variables.push((name.to_owned(), value.replace("%S", "/var/lib")));
    }

    assert_eq!(one("Type"), "notify");
    let manager = debian.outside("/run/notify");
    fs::remove_file(&manager).ok();
    let socket = UnixDatagram::bind(&manager).unwrap();
    fs::set_permissions(&manager, fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    variables.push(("NOTIFY_SOCKET".to_owned(), "/run/notify".to_owned()));

    let process = Process::spawn(debian.command(&command).envs(variables));
    let server = Server::of(process, &debian.outside(DATA));
    let mut told = [0; 100];
    let length = socket.recv(&mut told).expect("it says that it is ready");
    assert_eq!(&told[..length], b"READY=1\n");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut told).is_err(), "PostgreSQL does not speak for it");
    let owner = fs::metadata(debian.outside(DATA)).unwrap().uid();
    let runs_as = fs::metadata(format!("/proc/{}", server.process_id())).unwrap().uid();
    assert!(owner == runs_as && owner != 0, "{owner} {runs_as}");
    server
}

/// The database is there, whatever becomes of the package, and so is the user whose it is.
fn is_kept(debian: &Chroot) {
    assert!(debian.outside(&format!("{DATA}/cluster/PG_VERSION")).exists());
    debian.run(&["getent", "passwd", "cirrus"]);
}

fn has_left_nothing(debian: &Chroot) {
    let directories = ["/etc", "/lib/systemd", "/usr/bin", "/usr/lib/sysusers.d", "/usr/share", "/var/lib/systemd"];
    let found = debian.run(&[&["find"], &directories[..], &["-name", "*cirrus*"]].concat());
    // What the Debian itself was told when it was made.
    let left: Vec<&str> = found
        .lines()
        .filter(|path| !path.ends_with("/dpkg.cfg.d/cirrus") && !path.ends_with("/createcluster.d/cirrus.conf"))
        .collect();
    assert_eq!(left, Vec::<&str>::new());
}
