//! The mark beside a private cluster: whether the files of the cluster are those that the last server has left.
//!
//! `PostgreSQL` can't tell its files from a copy of them that was put back: all that it knows is in them. Revisions that were
//! written after the copy was made are lost then, and later changes would get their numbers. So there is a file beside the
//! cluster, made anew at each start and each stop, and the row of the sequence says when it was made, and when a file inside
//! the cluster that never changes was. That is the time that the file system keeps of the inode (`ctime`), which no copy takes
//! along and nobody can set:
//!
//! - Files of the cluster that are put back bring along a row that speaks of an earlier file.
//! - A whole data directory that is put back, or copied elsewhere, has files that were made later than its row says.
//! - One that is renamed is the same as before.
//! - `chmod` and `chown` count as another file, too: a new epoch that nobody needs costs the readers of the log a new start, one
//!   that is missing costs them changes.
//!
//! The file is written durably before the row, so a crash between the two is a new epoch at worst. It need not say how far the
//! log is, and nothing is written while the server runs. What remains unnoticed is a disk that is put back as a whole below the
//! file system (a snapshot of a volume), and a copy of a running server's cluster that is put back in place, leaving alone what
//! has not changed, after a server was killed that was started before the copy. Servers that run meanwhile notice all of it by
//! the lower revision.

use crate::store::{Database, Session, StoreError, operation::MARK, sequence};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

const TEXT: &str =
    "By this file the server knows whether the database beside it was put back from a copy. Leave it where it is.\n";

/// Why the mark can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file can't be written or looked at.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database is away.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// The mark of a data directory, which its server has locked.
pub struct Mark {
    file: PathBuf,
    /// Made with the cluster and never changed by `PostgreSQL`.
    inside: PathBuf,
}

impl Mark {
    /// That of the cluster in this data directory.
    pub fn beside(data_directory: &Path) -> Self {
        Self { file: data_directory.join("history"), inside: data_directory.join("cluster/PG_VERSION") }
    }

    /// Begins another epoch if the files are not those that the row speaks of, and makes the mark anew.
    ///
    /// # Errors
    /// When the file or the database can't be used.
    pub async fn recognise(&self, connection: &mut Session) -> Result<(), MarkError> {
        let said = sequence::mark(connection).await?;
        let found = self.file.exists().then(|| self.read()).transpose()?;
        // A new cluster has neither, nor has that of an earlier release.
        if said != found {
            sequence::begin_epoch(connection).await?;
            tracing::info!("the files of the database were put back or copied: a new epoch of revisions begins");
        }
        self.renew(connection).await
    }

    /// The same at the end of a server.
    ///
    /// # Errors
    /// When the file or the database can't be used.
    pub async fn renew_on(&self, database: &Database) -> Result<(), MarkError> {
        self.renew(&mut database.connect(MARK).await?).await
    }

    async fn renew(&self, connection: &mut Session) -> Result<(), MarkError> {
        self.write().map_err(|source| self.failed(source))?;
        sequence::set_mark(connection, &self.read()?).await?;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> MarkError {
        MarkError::File { path: self.file.clone(), source }
    }

    fn write(&self) -> io::Result<()> {
        let temporary = self.file.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(TEXT.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.file)?;
        self.file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }

    /// When both files became what they are.
    fn read(&self) -> Result<String, MarkError> {
        let changed = |path: &Path| {
            let metadata = fs::metadata(path)?;
            Ok::<_, io::Error>(format!("{}.{:09}", metadata.ctime(), metadata.ctime_nsec()))
        };
        let both = || Ok(format!("{}/{}", changed(&self.file)?, changed(&self.inside)?));
        both().map_err(|source| self.failed(source))
    }
}
