//! Skills: a folder of `NAME.md` files.

use async_trait::async_trait;
use smooai_smooth_operator::SkillSource;
use std::io;
use std::path::PathBuf;

/// A longer skill is refused, in bytes.
const MAX_SKILL: u64 = 64 * 1024;

/// The folder. It is read at each use, so that an edited skill counts from the next turn on.
#[derive(Debug, Clone)]
pub struct SkillFolder(pub PathBuf);

#[async_trait]
impl SkillSource for SkillFolder {
    async fn skill(&self, name: &str) -> io::Result<Option<String>> {
        // The protocol's pattern has no dots and no slashes; a name that has is no skill's name.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Ok(None);
        }
        let path = self.0.join(format!("{name}.md"));
        let length = match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > MAX_SKILL {
            return Err(io::Error::other(format!("the skill {name} is longer than {MAX_SKILL} bytes")));
        }
        tokio::fs::read_to_string(&path).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_skill_is_a_file_of_the_folder_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("skills")).unwrap();
        std::fs::write(folder.path().join("skills/tone.md"), "Be brief.").unwrap();
        std::fs::write(folder.path().join("secret.md"), "no").unwrap();
        std::fs::write(folder.path().join("skills/long.md"), "x".repeat(70_000)).unwrap();
        let skills = SkillFolder(folder.path().join("skills"));
        assert_eq!(skills.skill("tone").await.unwrap().as_deref(), Some("Be brief."));
        assert_eq!(skills.skill("none").await.unwrap(), None);
        assert_eq!(skills.skill("../secret").await.unwrap(), None);
        assert!(skills.skill("long").await.is_err());
    }
}
