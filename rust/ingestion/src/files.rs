//! Markdown and text files, named by a pattern relative to the configuration's folder.

use crate::connector::{Connector, ConnectorError, Item, Listing, SourceDocument};
use crate::report::Skipped;
use async_trait::async_trait;
use globset::{GlobBuilder, GlobMatcher};
use smooai_smooth_operator_store::AccessList;
use std::path::{Path, PathBuf};

/// A larger file is no text that somebody reads, in bytes.
const LARGEST: u64 = 8 << 20;

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the pattern {pattern:?} cannot be used; write one such as \"docs/**/*.md\"")]
pub struct FileError {
    pattern: String,
    #[source]
    source: globset::Error,
}

/// The files that a pattern names. `*` stays inside a folder, `**` goes through folders; hidden folders
/// and links to folders are not followed.
#[derive(Debug, Clone)]
pub struct Files {
    base: PathBuf,
    pattern: String,
    matcher: GlobMatcher,
    acl: AccessList,
}

impl Files {
    /// The files of `pattern`, which is relative to the folder `base`; ids are paths relative to it.
    ///
    /// # Errors
    /// When the pattern is malformed.
    pub fn new(base: impl Into<PathBuf>, pattern: &str, acl: AccessList) -> Result<Self, FileError> {
        let base = base.into();
        let pattern = relative(&base, pattern);
        let matcher = GlobBuilder::new(&pattern)
            .literal_separator(true)
            .build()
            .map_err(|source| FileError { pattern: pattern.clone(), source })?
            .compile_matcher();
        Ok(Self { base, pattern, matcher, acl })
    }

    /// The pattern up to its first folder that is not a plain name.
    fn root(&self) -> String {
        let plain = |part: &&str| !part.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let mut root: Vec<&str> = self.pattern.split('/').take_while(plain).collect();
        if root.len() == self.pattern.split('/').count() {
            root.pop();
        }
        root.join("/")
    }

    /// Everything below the pattern's root that matches, by path.
    async fn walk(&self) -> Listing {
        let mut listing = Listing::default();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            if let Err(error) = self.enter(&folder, &mut folders, &mut listing).await {
                let source = if folder.is_empty() { ".".to_owned() } else { folder };
                listing.skipped.push(Skipped { source, reason: reason(&error) });
            }
        }
        listing.items.sort_by(|a, b| a.id.cmp(&b.id));
        listing
    }

    async fn enter(
        &self,
        folder: &str,
        folders: &mut Vec<String>,
        listing: &mut Listing,
    ) -> std::io::Result<()> {
        let mut entries = tokio::fs::read_dir(self.place(folder)).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let source = format!("{folder}/{}", name.to_string_lossy());
                listing.skipped.push(Skipped { source, reason: "its name is not UTF-8".to_owned() });
                continue;
            };
            let path = join(folder, name);
            let kind = entry.file_type().await?;
            if kind.is_dir() {
                if !name.starts_with('.') {
                    folders.push(path);
                }
            } else if self.matcher.is_match(&path) {
                listing.items.push(Item {
                    id: path.as_str().into(),
                    acl: self.acl.clone(),
                    locator: path.clone(),
                });
            }
        }
        Ok(())
    }

    fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.base.clone() } else { self.base.join(path) }
    }
}

#[async_trait]
impl Connector for Files {
    fn name(&self) -> &str {
        &self.pattern
    }

    async fn list(&self) -> Result<Listing, ConnectorError> {
        let listing = self.walk().await;
        if listing.items.is_empty() && listing.skipped.is_empty() {
            let base = self.base.display();
            return Err(ConnectorError::new(format!("no file matches in {base}")));
        }
        Ok(listing)
    }

    async fn read(&self, item: &Item) -> Result<SourceDocument, ConnectorError> {
        let path = self.place(&item.locator);
        let failed = |error: std::io::Error| ConnectorError::caused(reason(&error), error);
        let metadata = tokio::fs::metadata(&path).await.map_err(failed)?;
        if !metadata.is_file() {
            return Err(ConnectorError::new("it is no file"));
        }
        if metadata.len() > LARGEST {
            return Err(ConnectorError::new(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        let bytes = tokio::fs::read(&path).await.map_err(failed)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| ConnectorError::caused("it is not UTF-8 text; save it as UTF-8", error))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(SourceDocument { source: item.locator.clone(), title: None, url: None, text })
    }
}

/// The pattern with `/`, without `./`, and relative if it is an absolute one below the base.
fn relative(base: &Path, pattern: &str) -> String {
    let pattern = if cfg!(windows) { pattern.replace('\\', "/") } else { pattern.to_owned() };
    let below = Path::new(&pattern).strip_prefix(base).ok().and_then(Path::to_str).map(str::to_owned);
    let pattern = below.filter(|_| Path::new(&pattern).is_absolute()).unwrap_or(pattern);
    pattern.trim_start_matches("./").to_owned()
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        _ => format!("{folder}/{name}"),
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this process may not read it".to_owned(),
        _ => error.to_string(),
    }
}
