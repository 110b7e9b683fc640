//! The API's description as a readable page: plain HTML, no script, its style from the site's own origin.

use std::fmt::Write as _;

use serde_json::Value;

/// The page for an OpenAPI document.
pub fn docs_page(api: &Value) -> String {
    let mut page = String::with_capacity(64 * 1024);
    page.push_str(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>API · AI Image Generator</title>\
         <link rel=\"stylesheet\" href=\"/docs.css\"></head><body><main><h1>API</h1>",
    );
    if let Some(text) = api["info"]["description"].as_str() {
        let _ = write!(page, "<p>{}</p>", prose(text));
    }
    page.push_str("<p>The machine-readable description is <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p>");
    let paths = api["paths"].as_object().into_iter().flatten();
    let mut operations: Vec<(&str, &str, &str, &Value)> = paths
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .filter(|(_, _, operation)| operation["responses"].is_object())
        .map(|(path, method, operation)| (operation["tags"][0].as_str().unwrap_or("Other"), path, method, operation))
        .collect();
    operations.sort_by_key(|(tag, path, method, _)| (*tag, *path, *method));
    let mut section = "";
    for (tag, path, method, operation) in operations {
        if tag != section {
            let _ = write!(page, "<h2>{}</h2>", escape(tag));
            section = tag;
        }
        let _ = write!(page, "<section><h3><code>{} {}</code></h3>", method.to_uppercase(), escape(path));
        for field in ["summary", "description"] {
            for paragraph in operation[field].as_str().unwrap_or_default().split("\n\n").filter(|text| !text.trim().is_empty()) {
                let _ = write!(page, "<p>{}</p>", prose(paragraph));
            }
        }
        if let Some(parameters) = operation["parameters"].as_array().filter(|list| !list.is_empty()) {
            page.push_str("<ul>");
            for parameter in parameters {
                let (name, place) = (parameter["name"].as_str().unwrap_or(""), parameter["in"].as_str().unwrap_or(""));
                let text = parameter["description"].as_str().unwrap_or("");
                let _ = write!(page, "<li><code>{}</code> <small>{}</small> {}</li>", escape(name), escape(place), prose(text));
            }
            page.push_str("</ul>");
        }
        if let Some(schema) = operation["requestBody"]["content"]["application/json"]["schema"].as_object() {
            let _ = write!(page, "<p>Body: {}</p>", type_of(&Value::Object(schema.clone())));
        }
        page.push_str("<ul>");
        // What anything may be refused with is said once, below.
        let own = operation["responses"].as_object().into_iter().flatten().filter(|(_, response)| response["$ref"].is_null());
        for (status, response) in own {
            let content = response["content"].as_object().and_then(|content| content.values().next());
            let shape = content.map_or_else(String::new, |content| type_of(&content["schema"]));
            let text = response["description"].as_str().unwrap_or("");
            let _ = write!(page, "<li><code>{}</code> {} {}</li>", escape(status), shape, prose(text));
        }
        page.push_str("</ul></section>");
    }
    page.push_str("<h2>Refusals</h2><p>What any call may be answered with as well, as a <a href=\"#shape-Problem\">Problem</a>.</p><ul>");
    for (name, response) in api["components"]["responses"].as_object().into_iter().flatten() {
        let _ = write!(page, "<li><code>{}</code> {}</li>", escape(name), prose(response["description"].as_str().unwrap_or("")));
    }
    page.push_str("</ul><h2>Shapes</h2>");
    for (name, schema) in api["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(page, "<section id=\"shape-{0}\"><h3><code>{0}</code></h3>", escape(name));
        if let Some(text) = schema["description"].as_str() {
            let _ = write!(page, "<p>{}</p>", prose(text));
        }
        page.push_str("<ul>");
        for (field, shape) in schema["properties"].as_object().into_iter().flatten() {
            let text = shape["description"].as_str().unwrap_or("");
            let _ = write!(page, "<li><code>{}</code> {} {}</li>", escape(field), type_of(shape), prose(text));
        }
        page.push_str("</ul></section>");
    }
    page.push_str("</main></body></html>");
    page
}

fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escape(name));
    }
    if let Some(options) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return options.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) => format!("<small>{}</small>", escape(kind)),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            format!("<small>{}</small>", escape(&kinds.join(" or ")))
        }
        _ => "<small>any</small>".to_owned(),
    }
}

/// Words with `code` in backticks, as doc comments have them.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let coded = parts.len() % 2 == 1;
    let wrap = |(at, part): (usize, &&str)| if coded && at % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) };
    parts.iter().enumerate().map(wrap).collect::<Vec<_>>().join(if coded { "" } else { "`" })
}

/// `text` for an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
