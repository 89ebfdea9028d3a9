//! What goes to standard output: results for a person, or exactly one JSON object for a program.

use base::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::terminal::write_stdout;

/// `value` as a JSON value.
pub fn object(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|cause| Error::failed("cannot write the result as JSON").note(cause.to_string()))
}

/// Writes one line of JSON.
pub fn json(value: &Value) -> Result<()> {
    write_stdout(format!("{value}\n").as_bytes())
}

/// Writes text for a person.
pub fn text(text: &str) -> Result<()> {
    write_stdout(text.as_bytes())
}

/// The object of a command that has nothing but an error to tell.
pub fn error_object(error: &Error) -> Value {
    json!({ "error": error_fields(error) })
}

/// An error as a program sees it (docs/json.md, "Errors").
pub fn error_fields(error: &Error) -> Value {
    let snippet = error.snippet();
    json!({
        "kind": error.kind().word(),
        "message": error.message(),
        "file": snippet.map(|snippet| snippet.path.to_string_lossy().into_owned()),
        "line": snippet.map(|snippet| snippet.line),
        "columns": snippet.map(|snippet| [snippet.columns.start, snippet.columns.end]),
        "notes": error.notes(),
        "output": error.output_lines(),
        "hints": error.hints(),
    })
}

#[cfg(test)]
mod tests {
    use base::Snippet;

    use super::*;

    #[test]
    fn an_error_has_the_same_keys_with_and_without_a_place() {
        let bare = error_object(&Error::host("no flex").hint("allno doctor --install"));
        let placed = error_object(&Error::input("bad").at(Snippet::of("a.toml", "x = 1", 4..5)).note("why"));
        let keys = |value: &Value| value["error"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&bare), keys(&placed));
        assert_eq!(bare["error"]["file"], Value::Null);
        assert_eq!(bare["error"]["kind"], "host");
        assert_eq!(placed["error"]["line"], 1);
        assert_eq!(placed["error"]["columns"], json!([4, 5]));
    }
}
