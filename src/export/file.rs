//! Where a dump goes: a file that is there as a whole or not at all, or standard output.

use super::ExportError;
use flate2::{Compression, write::GzEncoder};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Written at once.
const BUFFER: usize = 256 << 10;

/// What bytes go through.
enum Way {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
    Standard(BufWriter<io::Stdout>),
}

impl Write for Way {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Packed(packed) => packed.write(bytes),
            Self::Standard(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Packed(packed) => packed.flush(),
            Self::Standard(output) => output.flush(),
        }
    }
}

/// Where a dump is written to. Dropped without an end it leaves nothing behind.
pub struct Target {
    way: Option<Way>,
    /// The file beside the one that is wanted, and that one.
    paths: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// A file, packed if its name ends with `.gz`; `-` is standard output. Nobody but its owner may read it: it has all that
    /// the configuration has, passwords of devices, too.
    ///
    /// # Errors
    /// When it can't be made, or is something else than a file.
    pub fn create(file: &Path) -> Result<Self, ExportError> {
        if file == Path::new("-") {
            let way = Way::Standard(BufWriter::with_capacity(BUFFER, io::stdout()));
            return Ok(Self { way: Some(way), paths: None });
        }
        let failed = |error| ExportError::File(file.display().to_string(), error);
        // A link stays one.
        let wanted = match fs::metadata(file) {
            Ok(found) if found.is_file() => file.canonicalize().map_err(failed)?,
            Ok(_) => return Err(ExportError::NoFile(file.display().to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => followed(file).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let Some(name) = wanted.file_name() else { return Err(ExportError::NoFile(file.display().to_string())) };
        let beside = wanted.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        remove_old_parts(&wanted);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
        // Who clears up after others sees by it that somebody is still there, in whatever container. Not every file system knows it.
        let _ = made.try_lock();
        let output = BufWriter::with_capacity(BUFFER, made);
        let way = match wanted.extension() {
            Some(ending) if ending == "gz" => Way::Packed(Box::new(GzEncoder::new(output, Compression::default()))),
            _ => Way::Plain(output),
        };
        Ok(Self { way: Some(way), paths: Some((beside, wanted)) })
    }

    /// Puts the file where it is wanted, when all of it is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it; then nothing is there that was not there before.
    pub fn finish(mut self) -> io::Result<()> {
        let mut output = match self.way.take() {
            Some(Way::Plain(output)) => output,
            Some(Way::Packed(packed)) => packed.finish()?,
            Some(Way::Standard(mut output)) => return output.flush(),
            None => return Ok(()),
        };
        output.flush()?;
        output.get_ref().sync_all()?;
        if let Some((beside, wanted)) = &self.paths {
            fs::rename(beside, wanted)?;
        }
        self.paths = None;
        Ok(())
    }
}

/// How many links are followed, each to the next one.
const MOST_LINKS: usize = 40;

/// Where a file is to be that is not there yet: where links lead to.
fn followed(file: &Path) -> io::Result<PathBuf> {
    let mut at = file.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&at) {
            // What is relative begins where the link is.
            Ok(next) => at = at.parent().map_or(next.clone(), |above| above.join(&next)),
            // It is none, or not there.
            Err(_) => return Ok(at),
        }
    }
    Err(io::Error::other("it is a link to a link to a link, without end"))
}

/// Takes away what exports into the same file have left behind that were killed. What can't be taken away stays: it is only in the way
/// of who looks for room.
fn remove_old_parts(wanted: &Path) {
    let Some(name) = wanted.file_name().and_then(|name| name.to_str()) else { return };
    let directory = wanted.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begin = format!(".{name}.");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let process = found.to_str().and_then(|found| found.strip_prefix(&begin)?.strip_suffix(".part"));
        let Some(process) = process.and_then(|process| process.parse::<u32>().ok()) else { continue };
        // Numbers of processes come again, in containers mostly the same: what has that of this one is not this one's yet.
        let is_gone = process == std::process::id() || !Path::new("/proc").join(process.to_string()).exists();
        let is_free = || File::open(entry.path()).is_ok_and(|part| part.try_lock().is_ok());
        if is_gone && is_free() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.way.as_mut().map_or(Ok(0), |way| way.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.way.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.paths {
            // If it can't be removed there is nobody left to be told.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_there_as_a_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let file = directory.path().join("dump");
        let mut target = Target::create(&file).unwrap();
        target.write_all(b"half").unwrap();
        drop(target);
        assert_eq!(names(), Vec::<String>::new());
        let mut target = Target::create(&file).unwrap();
        target.write_all(b"whole").unwrap();
        assert!(!file.exists());
        target.finish().unwrap();
        assert_eq!((names(), fs::read(&file).unwrap()), (vec!["dump".to_owned()], b"whole".to_vec()));
        // What was there stays until all of the new one is there.
        let mut target = Target::create(&file).unwrap();
        target.write_all(b"new").unwrap();
        drop(target);
        assert_eq!((names(), fs::read(&file).unwrap()), (vec!["dump".to_owned()], b"whole".to_vec()));
        // What a process has left that is gone goes; what one writes that is there stays, and so does what is none.
        let gone = ".dump.4194999.part";
        let own = format!(".dump.{}.part", std::process::id());
        for left in [gone, &own, ".dump.1.part", ".dump.x.part", ".other.4194999.part"] {
            fs::write(directory.path().join(left), b"left").unwrap();
        }
        let mut target = Target::create(&file).unwrap();
        target.write_all(b"newer").unwrap();
        target.finish().unwrap();
        assert_eq!(names(), [".dump.1.part", ".dump.x.part", ".other.4194999.part", "dump"]);
        // A part that is locked is somebody's in another container.
        fs::write(directory.path().join(gone), b"left").unwrap();
        let locked = File::open(directory.path().join(gone)).unwrap();
        locked.try_lock().unwrap();
        drop(Target::create(&file).unwrap());
        assert!(names().contains(&gone.to_owned()));
        drop(locked);
        drop(Target::create(&file).unwrap());
        assert!(!names().contains(&gone.to_owned()));
        // Links stay, whether there is something at their end or not.
        fs::create_dir(directory.path().join("below")).unwrap();
        for (link, to, end) in
            [("first", "dump", "dump"), ("second", "below/new", "below/new"), ("third", "second", "below/new")]
        {
            let link = directory.path().join(link);
            std::os::unix::fs::symlink(to, &link).unwrap();
            let mut target = Target::create(&link).unwrap();
            target.write_all(to.as_bytes()).unwrap();
            target.finish().unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(directory.path().join(end)).unwrap(), to.as_bytes());
        }
        std::os::unix::fs::symlink("round", directory.path().join("round")).unwrap();
        assert!(matches!(Target::create(&directory.path().join("round")), Err(ExportError::File(..))));
        assert!(matches!(Target::create(directory.path()), Err(ExportError::NoFile(_))));
        assert!(matches!(Target::create(Path::new("/dev/null")), Err(ExportError::NoFile(_))));
        assert!(matches!(Target::create(&file.join("below")), Err(ExportError::File(..))));
    }
}
