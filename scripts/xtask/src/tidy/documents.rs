//! Rules about Markdown: links lead somewhere, fences name their language.
//!
//! Always: only links inside the clone are judged; nothing is fetched.
//! Does not know: whether what a page says is true; the suite `docs` runs its snippets.

use std::path::{Component, Path, PathBuf};

use crate::failure::Result;
use crate::repository::Repository;
use crate::snippet::snippets;

/// Every relative link names a file that is there, and every anchor a heading.
pub(crate) fn links(repository: &Repository) -> Result<Vec<String>> {
    let mut offences = Vec::new();
    for file in pages(repository)? {
        let text = repository.read(&file)?;
        for (line, target) in targets(&text) {
            if let Some(why) = dead(repository, &file, &text, &target) {
                offences.push(format!("{file}:{line}: {target} {why}"));
            }
        }
    }
    Ok(offences)
}

/// A fence without a language would be taken for Rust by rustdoc, and for nothing by a reader's highlighter.
pub(crate) fn fences(repository: &Repository) -> Result<Vec<String>> {
    let mut offences = Vec::new();
    for file in pages(repository)? {
        for snippet in snippets(&repository.read(&file)?) {
            if snippet.language.is_empty() {
                offences.push(format!("{file}:{}: a fence without a language; use `text` for none", snippet.line));
            }
        }
    }
    Ok(offences)
}

/// Where each word is defined.
const GLOSSARY: &str = "docs/guides/glossary.md";

/// Every word of the glossary is one that the code uses, so that neither moves on without the other.
pub(crate) fn glossary(repository: &Repository) -> Result<Vec<String>> {
    if !repository.has(GLOSSARY) {
        return Ok(Vec::new());
    }
    let mut words: Vec<String> = repository
        .read(GLOSSARY)?
        .lines()
        .filter_map(|line| line.strip_prefix("**")?.split_once("**:").map(|(word, _)| word.to_lowercase()))
        .collect();
    let mut offences = Vec::new();
    if !words.is_sorted() {
        offences.push(format!("{GLOSSARY}: the words are not in the order of the alphabet"));
    }
    for file in repository.files()? {
        let is_source = [".rs", ".ts", ".py", ".hpp"].iter().any(|extension| file.ends_with(extension));
        if words.is_empty() || !is_source || file.starts_with("scripts/") {
            continue;
        }
        let text = repository.read(&file)?.to_lowercase().replace('_', " ");
        words.retain(|word| !text.contains(word.as_str()));
    }
    offences.extend(words.into_iter().map(|word| format!("{GLOSSARY}: no source file uses the word {word:?}")));
    Ok(offences)
}

fn pages(repository: &Repository) -> Result<Vec<String>> {
    Ok(repository.files()?.into_iter().filter(|file| file.ends_with(".md")).collect())
}

/// The target of every inline link and link definition outside code, with its line.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between backticks is code and not a link.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for rest in prose.split("](").skip(1) {
            if let Some(target) = rest.split(')').next() {
                found.push((number + 1, target.split_whitespace().next().unwrap_or_default().to_owned()));
            }
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.push((number + 1, target.split_whitespace().next().unwrap_or_default().to_owned()));
        }
    }
    found
}

fn dead(repository: &Repository, page: &str, text: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let mut there = text.to_owned();
    if !path.is_empty() {
        let Some(file) = resolve(page, path) else { return Some("leads out of the clone") };
        if !repository.has(&file) {
            return Some("does not exist");
        }
        if !file.ends_with(".md") {
            return None;
        }
        there = repository.read(&file).unwrap_or_default();
    }
    let anchor = anchor?;
    let known = there.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
    (!known).then_some("names no heading")
}

/// The file a link means, relative to the root.
fn resolve(page: &str, path: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let joined: PathBuf = Path::new(page).parent().unwrap_or(Path::new("")).join(path);
    for component in joined.components() {
        match component {
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// A heading as the anchor hosts make of it.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn a_dead_link_is_caught() {
        let page = "[good](docs/b.md#the-end) `[code](gone.md)` [web](https://x.org)\n\n[bad](gone.md) [worse](docs/b.md#gone)\n[out](../../x.md)\n";
        let tree = tree(&[("a.md", page), ("docs/b.md", "# The end\n[back](../a.md)\n")]);
        let found = links(&tree.0).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("a.md:3: gone.md does not exist"), "{found:?}");
        assert!(found[1].contains("names no heading") && found[2].contains("leads out"), "{found:?}");
    }

    #[test]
    fn a_word_of_the_glossary_that_no_source_uses_is_caught() {
        let words = "# Glossary\n\n**Page token**: a.\n\n**Outbox**: b.\n";
        let tree = tree(&[(GLOSSARY, words), ("a.rs", "//! A.\nfn page_token() {}\n")]);
        let found = glossary(&tree.0).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("alphabet") && found[1].contains("\"outbox\""), "{found:?}");
    }

    #[test]
    fn a_fence_without_a_language_is_caught() {
        let tree = tree(&[("a.md", "```\nx\n```\n\n```text\ny\n```\n")]);
        assert_eq!(fences(&tree.0).unwrap(), ["a.md:1: a fence without a language; use `text` for none"]);
    }
}
