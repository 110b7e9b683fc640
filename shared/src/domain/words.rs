//! Words of prompts and titles: for search, and for the names of files.

use super::asset::Asset;

/// Words that are indexed of one asset at most.
pub const MOST: usize = 24;
/// Characters of a word that count.
const LONGEST: usize = 40;

/// The words of `text`: lower case, at least two letters or digits, each once, in order, at most [`MOST`].
pub fn of_text(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word: String = word.to_lowercase().chars().take(LONGEST).collect();
        if word.chars().count() >= 2 && !words.contains(&word) {
            words.push(word);
        }
        if words.len() == MOST {
            break;
        }
    }
    words
}

/// The words an asset is found by: its prompt's.
pub fn of_asset(asset: &Asset) -> Vec<String> {
    asset.prompt.as_deref().map(of_text).unwrap_or_default()
}

/// Whether every one of `wanted` is among `words`.
pub fn has_all(wanted: &[String], words: &[String]) -> bool {
    wanted.iter().all(|word| words.contains(word))
}

/// A file name for a download: the title's or the prompt's first words, and the end of the id so that hardly two are the same.
pub fn file_name(asset: &Asset) -> String {
    let id = asset.id.to_string();
    named(asset, &id[id.len() - 6..])
}

/// As [`file_name`], with the whole id: no two are the same, whatever lies beside it.
pub fn long_file_name(asset: &Asset) -> String {
    named(asset, &asset.id.to_string())
}

fn named(asset: &Asset, id: &str) -> String {
    let text = asset.title.as_deref().or(asset.prompt.as_deref()).unwrap_or("untitled");
    let ascii = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).map(ascii).filter(|word| !word.is_empty()).take(8).collect();
    let mut name = if words.is_empty() { asset.model.clone() } else { words.join("-") };
    name.truncate(80);
    let extension = asset.key.rsplit_once('.').map_or("bin", |(_, extension)| extension);
    format!("{name}-{id}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_unique_and_bounded() {
        assert_eq!(of_text("A Lighthouse, a lighthouse at DUSK! Ümlaut x"), ["lighthouse", "at", "dusk", "ümlaut"]);
        let long: String = (0..100).map(|n| format!("word{n} ")).collect();
        assert_eq!(of_text(&long).len(), MOST);
        assert!(has_all(&of_text("dusk lighthouse"), &of_text("a lighthouse at dusk")));
        assert!(!has_all(&of_text("dawn"), &of_text("a lighthouse at dusk")));
    }
}
