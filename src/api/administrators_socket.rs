//! The Unix socket for administrators: only its owner may connect, it takes the place of one that a server has left behind, and it
//! is taken away at the end.

use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs::{Metadata, Permissions, remove_file, rename, set_permissions, symlink_metadata},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process,
};

/// A socket in the file system, until it is dropped.
pub struct SocketFile {
    path: PathBuf,
    /// Which file it is: another server may have put its own there.
    identity: (u64, u64),
}

impl SocketFile {
    /// Listens there.
    ///
    /// # Errors
    /// Why that can't be: a server listens there, something else is there, there is no such directory, or the system does not
    /// allow it.
    pub fn open(path: &Path) -> io::Result<(UnixListener, Self)> {
        if let Ok(there) = symlink_metadata(path) {
            if !there.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no socket"));
            }
            if is_live(path)? {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "a server listens there already"));
            }
        }
        if let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty() && !path.is_dir()) {
            let text = format!("there is no directory {}", directory.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        // It gets its mode before anybody can find it, and its name at once.
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", process::id()));
        let new = PathBuf::from(new);
        let _ = remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        let identity = set_permissions(&new, Permissions::from_mode(0o600))
            .and_then(|()| symlink_metadata(&new))
            .and_then(|made| rename(&new, path).map(|()| identity(&made)))
            .inspect_err(|_| {
                let _ = remove_file(&new);
            })?;
        Ok((listener, Self { path: path.to_owned(), identity }))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity) {
            let _ = remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Whether somebody listens there, even if it does not answer.
fn is_live(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::write, os::unix::net::UnixStream};

    fn refusal(path: &Path) -> String {
        SocketFile::open(path).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn it_takes_the_place_of_one_that_was_left_behind_and_of_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        let path = below.join("admin.socket");
        assert_eq!(refusal(&path), format!("there is no directory {}", below.display()));
        std::fs::create_dir(&below).unwrap();
        let (listener, file) = SocketFile::open(&path).unwrap();
        assert_eq!(symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        assert_eq!(refusal(&path), "a server listens there already");
        // As after a kill.
        drop(listener);
        assert!(UnixStream::connect(&path).is_err() && path.exists());
        let (_listener, second) = SocketFile::open(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        // It is not the first one's any more.
        drop(file);
        UnixStream::connect(&path).unwrap();
        drop(second);
        assert!(!path.exists());
        write(&path, "a file").unwrap();
        assert_eq!(refusal(&path), "there is something that is no socket");
        let others: Vec<_> = path.parent().unwrap().read_dir().unwrap().collect();
        assert_eq!(others.len(), 1, "{others:?}");
        let long = directory.path().join("x".repeat(200));
        assert!(SocketFile::open(&long).is_err() && !long.exists());
    }
}
