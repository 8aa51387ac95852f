//! `--format`: tables for people, JSON and `{{.Field}}` for scripts, in Docker's way.

use crate::failure::Failure;
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

/// A list as Docker prints one: a table under `columns` (title and field), or each item in the
/// given format on a line of its own. `table` is a format, too; `table {{.A}}\t{{.B}}` picks columns.
pub fn list<T: Serialize>(
    items: &[T],
    columns: &[(&str, &str)],
    format: Option<&str>,
) -> Result<String> {
    let format = match format.map(|format| (format, format.strip_prefix("table"))) {
        None | Some((_, Some(""))) => return table(items, columns),
        Some((_, Some(cells))) if cells.starts_with(' ') => {
            return table_of(items, cells.trim_start(), columns);
        }
        Some((format, _)) => format,
    };
    // One after the other: there may be thousands, and as values they are large.
    let line = |item| Ok(one(&serde_json::to_value(item)?, format)? + "\n");
    items.iter().map(line).collect()
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

/// A number of bytes as Docker prints one: `64MiB`, `1.5GiB`, four digits at most.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// The same in powers of ten, with three digits, as Docker prints what goes over a wire or to a
/// disk: `1.46MB`.
pub fn decimal_bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

fn scaled(mut number: f64, step: f64, digits: usize, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    // As many significant digits, without zeros at the end: C's %.4g.
    let before = (number as u64).checked_ilog10().unwrap_or(0) as usize + 1;
    let places = digits.saturating_sub(before);
    let digits = format!("{number:.places$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{}", units[unit])
}

/// A table whose columns, with tabs between them, are texts with fields in them.
fn table_of<T: Serialize>(items: &[T], format: &str, columns: &[(&str, &str)]) -> Result<String> {
    let items: Vec<Value> = items.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let title = |name: &str| {
        let known = columns.iter().find(|(_, field)| *field == name).map(|(title, _)| *title);
        Value::String(known.map_or_else(|| name.to_uppercase(), str::to_owned))
    };
    let names = items.iter().filter_map(Value::as_object).flat_map(|item| item.keys());
    let known = columns.iter().map(|(_, field)| *field).chain(names.map(String::as_str));
    let titles = Value::Object(known.map(|name| (name.to_owned(), title(name))).collect());
    let lines = std::iter::once(&titles).chain(&items).map(|item| {
        // A title is a word, not JSON.
        let words = if *item == titles { &format.replace("{{json ", "{{") } else { format };
        Ok(one(item, words)?.split('\t').map(str::to_owned).collect())
    });
    Ok(align(&lines.collect::<Result<Vec<Vec<String>>>>()?))
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
fn table<T: Serialize>(items: &[T], columns: &[(&str, &str)]) -> Result<String> {
    let titles = columns.iter().map(|(title, _)| title.to_string()).collect();
    let cells = |item| {
        let item = serde_json::to_value(item)?;
        Ok(columns.iter().map(|(_, field)| plain(&item[*field])).collect())
    };
    let rows = std::iter::once(Ok(titles)).chain(items.iter().map(cells));
    Ok(align(&rows.collect::<Result<Vec<Vec<String>>>>()?))
}

fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |row: &Vec<String>, column: usize| {
        row.get(column).map_or(0, |cell: &String| cell.chars().count())
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| width_of(row, column)).max().unwrap_or(0))
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
    fn bytes_are_written_as_docker_writes_them() {
        assert_eq!([0, 1023, 794_624, 64 << 20].map(bytes), ["0B", "1023B", "776KiB", "64MiB"]);
        assert_eq!([1 << 60, 1_610_612_736, 1_000_000].map(bytes), ["1EiB", "1.5GiB", "976.6KiB"]);
        assert_eq!(
            [0, 806, 1_459_200, 12_345_678].map(decimal_bytes),
            ["0B", "806B", "1.46MB", "12.3MB"]
        );
    }

    #[test]
    fn columns_line_up() {
        let rows = [json!({"A": "long cell", "B": 1}), json!({"A": "x", "B": 22})];
        let text = list(&rows, &[("FIRST", "A"), ("B", "B")], None).unwrap();
        assert_eq!(text, "FIRST       B\nlong cell   1\nx           22\n");
    }

    #[test]
    fn a_table_has_the_columns_that_are_asked_for() {
        let rows = [json!({"Name": "web", "PIDs": 3, "More": "x"})];
        let columns = [("NAMES", "Name"), ("PIDS", "PIDs")];
        let text = |format| list(&rows, &columns, Some(format)).unwrap();
        assert_eq!(text("table"), "NAMES   PIDS\nweb     3\n");
        assert_eq!(
            text(r"table {{.PIDs}}\t{{.Name}}={{.More}}"),
            "PIDS   NAMES=MORE\n3      web=x\n"
        );
        assert_eq!(text("table{{.Name}}"), "tableweb\n");
        assert!(list(&rows, &columns, Some("table {{.Nome}}")).is_err());
    }
}
