//! The steps of `migrations/`: which there are, which a database has, and what doing one means for servers that run meanwhile.

use super::StoreError;
use sqlx::migrate::Migrator;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// What a step makes others wait for, as `cirrus migrate --dry-run` tells it. A step that is not named takes a moment, however much
/// is stored.
const TAKES: &[(i64, &str)] = &[
    (2, "a moment; the log of changes starts anew, and readers of it with it"),
    (
        3,
        "writes the log of changes anew: longer the longer that is, and needs as much room on the disk; until then nobody writes \
         or reads it",
    ),
    (
        5,
        "reads all references and held addresses: longer the more there are; until then nobody writes, and a server that starts \
         waits",
    ),
    (
        12,
        "writes all objects anew: longer the more there are, and needs as much room on the disk; until then nobody writes, and a \
         server that starts waits",
    ),
];

/// A step that a database does not have yet.
#[derive(Debug)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// How long it takes, and who waits meanwhile.
    pub takes: &'static str,
}

/// The last step that this release knows.
pub fn last_known() -> i64 {
    MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default()
}

/// The tables have a step that this release does not know.
pub(super) fn newer(found: i64) -> StoreError {
    StoreError::Newer { found, known: last_known() }
}

/// What is to be done where these are done, in order.
///
/// # Errors
/// When one of them is not known here.
pub(super) fn pending(done: &[i64]) -> Result<Vec<Step>, StoreError> {
    if let Some(found) = done.iter().copied().find(|version| !MIGRATIONS.version_exists(*version)) {
        return Err(newer(found));
    }
    let takes = |version| TAKES.iter().find(|(of, _)| *of == version).map_or("a moment", |(_, takes)| *takes);
    let pending = MIGRATIONS.iter().filter(|step| !done.contains(&step.version));
    Ok(pending
        .map(|step| Step {
            version: step.version,
            description: step.description.to_string(),
            takes: takes(step.version),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_takes_is_told_of_steps_that_there_are() {
        let all = pending(&[]).unwrap();
        assert_eq!(all.len(), MIGRATIONS.iter().count());
        for (version, takes) in TAKES {
            assert!(all.iter().any(|step| step.version == *version && step.takes == *takes), "{version}");
        }
        let done: Vec<i64> = all.iter().map(|step| step.version).collect();
        assert!(pending(&done).unwrap().is_empty());
        assert!(matches!(pending(&[last_known() + 1]), Err(StoreError::Newer { .. })));
    }

    /// Whoever writes a step says what it takes where it reads or writes whole tables that grow.
    #[test]
    fn steps_that_work_on_all_rows_are_named() {
        let grows = ["change", "object", "reference", "address_hold", "key_value", "wide_row"];
        for step in MIGRATIONS.iter().filter(|step| step.version > 1) {
            let sql = step.sql.as_str().to_lowercase();
            let works_on_all = grows.iter().any(|table| {
                let changed = sql.split(&format!("alter table {table}\n")).nth(1);
                let changed = changed.or_else(|| sql.split(&format!("alter table {table} ")).nth(1));
                let change = changed.and_then(|rest| rest.split(';').next()).unwrap_or_default();
                change.contains(" type ")
                    || change.contains("add constraint")
                    || sql.contains(&format!("update {table} "))
            });
            let is_named = TAKES.iter().any(|(version, _)| *version == step.version);
            assert!(!works_on_all || is_named, "step {} works on whole tables: TAKES has to say so", step.version);
        }
    }
}
