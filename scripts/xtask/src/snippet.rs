//! Finds the fenced code blocks of Markdown files.
//!
//! Always: a block knows its language, its line, and whether its author marked it.
//! Does not know: how to run a language; `test::documents` does.
//!
//! Marks after the language: `continued` appends the block to the one of the same language before it; `norun`
//! says it is not a program.

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The first word after the fence, empty when there is none.
    pub(crate) language: String,
    /// The other words.
    pub(crate) marks: Vec<String>,
    /// The line of the fence, from 1.
    pub(crate) line: usize,
    /// What stands between the fences.
    pub(crate) text: String,
}

impl Snippet {
    /// Whether it carries this mark.
    pub(crate) fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|found| found == mark)
    }
}

/// Every block of a Markdown text, in order.
pub(crate) fn snippets(markdown: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let mut open: Option<(Snippet, String)> = None;
    for (number, line) in markdown.lines().enumerate() {
        let bare = line.trim_start();
        match open.take() {
            Some((snippet, fence)) if bare.trim_end() == fence => found.push(snippet),
            Some((mut snippet, fence)) => {
                snippet.text.push_str(line);
                snippet.text.push('\n');
                open = Some((snippet, fence));
            }
            None => {
                let ticks = bare.chars().take_while(|letter| *letter == '`').count();
                if ticks >= 3 {
                    let mut words = bare.trim_start_matches('`').split([' ', ',']).filter(|word| !word.is_empty());
                    let snippet = Snippet {
                        language: words.next().unwrap_or_default().to_owned(),
                        marks: words.map(str::to_owned).collect(),
                        line: number + 1,
                        text: String::new(),
                    };
                    open = Some((snippet, "`".repeat(ticks)));
                }
            }
        }
    }
    found
}

/// The programs of one language: every block, with the blocks that continue it.
pub(crate) fn programs(markdown: &str, languages: &[&str]) -> Vec<Snippet> {
    let mut programs: Vec<Snippet> = Vec::new();
    for snippet in snippets(markdown) {
        if !languages.contains(&snippet.language.as_str()) {
            continue;
        }
        match programs.last_mut() {
            Some(last) if snippet.is("continued") => last.text.push_str(&snippet.text),
            _ => programs.push(snippet),
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n```python\na = 1\n```\ntext\n```python continued\nprint(a)\n```\n```sh norun\nls\n```\n````text\n```c\n```\n````\n";

    #[test]
    fn blocks_are_found_with_language_line_and_marks() {
        let found = snippets(PAGE);
        let languages: Vec<&str> = found.iter().map(|snippet| snippet.language.as_str()).collect();
        assert_eq!(languages, ["python", "python", "sh", "text"]);
        assert_eq!(found[0].line, 3);
        assert!(found[2].is("norun"));
        assert_eq!(found[3].text, "```c\n```\n");
    }

    #[test]
    fn a_continued_block_belongs_to_the_program_before_it() {
        let found = programs(PAGE, &["python"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "a = 1\nprint(a)\n");
    }
}
