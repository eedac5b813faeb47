//! The shipped configs/ inside the binary, so that `demo` and a first `serve` need no folder.

/// A file of the built-in configuration, by its path below configs/.
pub(super) fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
}

/// Every path of the built-in configuration.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(path, _)| *path)
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../configs/", $path)))),*]
    };
}

/// A test compares the list with the folder.
const FILES: &[(&str, &[u8])] = files![
    "engine.yaml",
    "lines/huaning/line.yaml",
    "lines/huaning/prompts/NOTICE",
    "lines/huaning/prompts/after_sales_menu_two.wav",
    "lines/huaning/prompts/busy_call_later.wav",
    "lines/huaning/prompts/closed_call_later.wav",
    "lines/huaning/prompts/holiday_call_later.wav",
    "lines/huaning/prompts/lines_busy.wav",
    "lines/huaning/prompts/main_menu.wav",
    "lines/huaning/prompts/no_key.wav",
    "lines/huaning/prompts/press_to_accept.wav",
    "lines/huaning/prompts/recording_notice.wav",
    "lines/huaning/prompts/sorry_nobody.wav",
    "lines/huaning/prompts/welcome.wav",
    "lines/huaning/prompts/wrong_key.wav",
];
