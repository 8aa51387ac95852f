//! `--format`: tables for people, JSON and `{{.Field}}` for scripts, in Docker's way.

use crate::failure::Failure;
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// A list as Docker prints one: a table under `columns` (title and field), or each item in the
/// given format on a line of its own.
pub fn list<T: Serialize>(
    items: &[T],
    columns: &[(&str, &str)],
    format: Option<&str>,
) -> Result<String> {
    let items: Vec<Value> = items.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let Some(format) = format else { return Ok(table(&items, columns)) };
    let lines: Result<Vec<String>> = items.iter().map(|item| one(item, format)).collect();
    Ok(lines?.iter().map(|line| format!("{line}\n")).collect())
}

/// One item in the given format: `json`, or a text with `{{.Field}}` and `{{json .Field}}` in it.
pub fn one(item: &Value, format: &str) -> Result<String> {
    if format == "json" {
        return Ok(item.to_string());
    }
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("{{") {
        let (expression, after) =
            after.split_once("}}").ok_or_else(|| misuse(format, "a {{ has no }}"))?;
        out += before;
        out += &evaluate(item, expression.trim(), format)?;
        rest = after;
    }
    Ok((out + rest).replace("\\t", "\t").replace("\\n", "\n"))
}

fn evaluate(item: &Value, expression: &str, format: &str) -> Result<String> {
    let (json, path) = match expression.strip_prefix("json ") {
        Some(path) => (true, path.trim()),
        None => (false, expression),
    };
    let path = path.strip_prefix('.').ok_or_else(|| misuse(format, "a field begins with a dot"))?;
    let mut value = item;
    for field in path.split('.').filter(|field| !field.is_empty()) {
        value = value.get(field).ok_or_else(|| {
            let fields: Vec<&str> =
                value.as_object().into_iter().flat_map(|o| o.keys()).map(String::as_str).collect();
            let fields = if fields.is_empty() { "none".into() } else { fields.join(", ") };
            misuse(format, &format!("there is no field {field:?} (fields here: {fields})"))
        })?;
    }
    Ok(if json { value.to_string() } else { plain(value) })
}

fn misuse(format: &str, what: &str) -> Failure {
    Failure::new(format!("--format {format:?}: {what}"))
        .remedy("--format json shows every field; {{.Field}} picks one")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Columns as wide as their widest cell, three spaces apart.
fn table(items: &[Value], columns: &[(&str, &str)]) -> String {
    let titles = columns.iter().map(|(title, _)| title.to_string()).collect();
    let cells = |item: &Value| columns.iter().map(|(_, field)| plain(&item[*field])).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(items.iter().map(cells)).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += line.join("   ").trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_picks_fields() {
        let item = json!({"Name": "uts", "Host": {"Inode": 7}});
        assert_eq!(one(&item, "{{.Name}}={{.Host.Inode}}").unwrap(), "uts=7");
        assert_eq!(one(&item, "{{json .Host}}").unwrap(), r#"{"Inode":7}"#);
    }

    #[test]
    fn an_unknown_field_is_named_with_those_that_exist() {
        let error = one(&json!({"Name": "uts"}), "{{.Nome}}").unwrap_err().to_string();
        assert!(error.contains("\"Nome\"") && error.contains("Name"), "{error}");
    }

    #[test]
    fn columns_line_up() {
        let rows = [json!({"A": "long cell", "B": 1}), json!({"A": "x", "B": 22})];
        let text = list(&rows, &[("FIRST", "A"), ("B", "B")], None).unwrap();
        assert_eq!(text, "FIRST       B\nlong cell   1\nx           22\n");
    }
}
