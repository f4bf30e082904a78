//! The history of a cube: lines of any length on cards of 72 characters.

use spx_core::header::Header;

/// Characters that a commentary card holds.
const CARD: usize = 72;
/// The words that lines begin with.
const BEGINNINGS: [&str; 5] = ["config ", "input ", "group ", "cut ", "joined "];

/// Appends lines.
pub(super) fn add_history(header: &mut Header, lines: &[String]) {
    for line in lines {
        let characters: Vec<char> = line.chars().collect();
        for part in characters.chunks(CARD) {
            header.note("HISTORY", &part.iter().collect::<String>());
        }
    }
}

/// The lines of the history of a cube, those of several cards joined.
pub fn history_lines(primary: &Header) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for card in primary.cards().iter().filter(|card| card.keyword == "HISTORY") {
        let begins = BEGINNINGS.iter().any(|word| card.comment.starts_with(word));
        match lines.last_mut().filter(|_| !begins) {
            None => lines.push(card.comment.clone()),
            Some(line) => {
                // Blanks at the end of a card are lost.
                let missing = line.chars().count().next_multiple_of(CARD) - line.chars().count();
                line.extend(std::iter::repeat_n(' ', missing));
                line.push_str(&card.comment);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_of_the_history_are_joined() {
        let long = format!("input {} end", "x".repeat(64));
        let lines = ["group 2025W51".to_owned(), "config a = 1".to_owned(), long, "input b: used".to_owned()];
        let mut header = Header::new();
        add_history(&mut header, &lines);
        assert_eq!(header.cards().len(), 5);
        assert_eq!(history_lines(&header), lines);
    }
}
