//! Files that are written by the code and committed, so that a change of either shows in a diff.

/// A generated file.
#[derive(Debug)]
pub struct File {
    /// Relative to the workspace.
    pub path: &'static str,
    /// Its whole text.
    pub text: String,
}

/// The JSON Schemas that editors read.
pub fn schemas() -> Vec<File> {
    vec![
        File { path: "configs/schema/line.v1.json", text: pretty(&ivr::line_schema()) },
        File { path: "configs/schema/engine.v1.json", text: pretty(&sibai::config::engine_schema()) },
    ]
}

/// The OpenAPI 3.1 document.
pub fn openapi() -> File {
    File { path: "docs/openapi.json", text: sibai::api::openapi_text() }
}

/// All of them.
pub fn all() -> Vec<File> {
    let mut files = schemas();
    files.push(openapi());
    files
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
