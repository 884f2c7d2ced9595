//! Settings that all servers on a database share: what is in the database counts. Who was told otherwise does not start.

use super::ServeSettings;
use crate::{rules::Options, store::shared_settings::SharedSettings};

impl ServeSettings {
    /// What it was started with, and defaults where nothing was given.
    pub fn options(&self) -> Options {
        Options {
            quota: self.quota.clone(),
            tag_id_digits: self.tag_id_digits,
            project_access_lists: self.project_access_lists,
            neutron: self.neutron.options(),
        }
    }

    /// What this server is to decide by on a database that has these settings: what they are, but for those that were given to
    /// be changed.
    ///
    /// # Errors
    /// Names each one that was given, and is another one in the database, with where it came from.
    pub fn options_on(&self, stored: &SharedSettings) -> Result<Options, String> {
        let mut options = self.options();
        let (mut refused, mut taken) = (Vec::new(), Vec::new());
        for (field, own) in options.shared() {
            let Some(text) = stored.get(&field).filter(|text| **text != own) else { continue };
            let option = format!("--{} {text}", field.replace('_', "-"));
            if !self.origins.is_given(&field) {
                let unreadable =
                    |expected| format!("the database has {option}, shared by all servers on it: {expected}");
                options.take(&field, text).map_err(unreadable)?;
                taken.push(option);
            } else if !self.change_shared_settings {
                let given = self.told(&field, own);
                refused.push(format!(
                    "{given}: all servers on a database share this setting, and this database has {option}. Leave it out to \
                     take that, or change it for all of them with --change-shared-settings"
                ));
            }
        }
        if !refused.is_empty() {
            return Err(refused.join("; "));
        }
        if !taken.is_empty() {
            tracing::info!(settings = taken.join(" "), "taken from the database, whose servers share them");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, CommandLine};
    use super::*;
    use crate::rules::TagIdDigits;

    fn settings(arguments: &[&str]) -> ServeSettings {
        match CommandLine::of(&[&["cirrus", "serve"], arguments].concat()).unwrap().command {
            Command::Serve(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    fn stored(quota: &str, digits: &str) -> SharedSettings {
        let pairs = [("quota", quota), ("tag_id_digits", digits)];
        pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn what_is_not_given_is_taken() {
        let options = settings(&[]).options_on(&stored("defaults=-1,subnet=1", "12")).unwrap();
        assert_eq!((options.quota.limit("subnet"), options.tag_id_digits), (1, TagIdDigits::Twelve));
        // Also beside one that is changed, and where a default is the same as what would be given.
        let changing = settings(&["--quota", "subnet=2", "--change-shared-settings"]);
        let options = changing.options_on(&stored("defaults=-1,subnet=1", "12")).unwrap();
        assert_eq!((options.quota.limit("subnet"), options.tag_id_digits), (2, TagIdDigits::Twelve));
        let refused = settings(&[]).options_on(&stored("defaults=-1", "16")).unwrap_err();
        assert!(refused.starts_with("the database has --tag-id-digits 16, shared"), "{refused}");
    }

    #[test]
    fn what_is_given_has_to_be_the_same() {
        let given = settings(&["--quota", "subnet=2", "--tag-id-digits", "8"]);
        assert!(given.options_on(&stored("defaults=-1,subnet=2", "8")).is_ok());
        assert!(given.options_on(&SharedSettings::new()).is_ok());
        let refused = given.options_on(&stored("defaults=-1,subnet=1", "12")).unwrap_err();
        let all = ": all servers on a database share this setting, and this database has";
        for text in [
            format!("--quota defaults=-1,subnet=2{all} --quota defaults=-1,subnet=1. Leave it out"),
            format!("; --tag-id-digits 8{all} --tag-id-digits 12. Leave it out"),
        ] {
            assert!(refused.contains(&text), "'{text}' is expected in {refused}");
        }
    }
}
