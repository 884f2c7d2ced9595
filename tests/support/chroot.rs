//! A plain Debian, unpacked for one test, in which commands and a server run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the root of the system is for what runs in there. It is gone with this value, whatever was done in it.
pub struct Chroot {
    directory: tempfile::TempDir,
}

impl Chroot {
    /// Unpacks the one that `./check` makes, if it could; where it could not, it has said why.
    pub fn unpack() -> Option<Self> {
        let packed = std::env::var_os("CIRRUS_CHROOT")?;
        let directory = super::fresh_directory();
        let status = Command::new("tar")
            .args(["--extract", "--numeric-owner", "--same-permissions", "--file"])
            .arg(&packed)
            .arg("--directory")
            .arg(directory.path())
            .status();
        assert!(status.expect("tar").success(), "{} can't be unpacked", packed.display());
        Some(Self { directory })
    }

    /// Where a file of it is for everybody else.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.outside(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A command that sees nothing but this Debian. It becomes the process itself, and what is mounted for it is gone with it: others
    /// never see it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" \"$@\""])
            .arg(self.directory.path())
            .args(words)
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("DEBIAN_FRONTEND", "noninteractive")]);
        command
    }

    /// Runs a command that has to succeed; what it says, all of it.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("unshare");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{words:?}: {}\n{text}", output.status);
        text
    }

    /// Copies a file into it, to `/`; where it is then.
    pub fn put(&self, file: &Path) -> String {
        let name = file.file_name().unwrap().to_str().unwrap();
        std::fs::copy(file, self.outside(name)).unwrap();
        format!("/{name}")
    }
}
