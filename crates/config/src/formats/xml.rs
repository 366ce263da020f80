//! XML: an element `<uwsgi>` whose children are options.
//!
//! As uWSGI with libxml2: the root is `<uwsgi>` or has `<uwsgi>` children; `file.xml:ID` picks the `<uwsgi id="ID">`, or
//! within a single one the children whose `id` is ID or who have none. An empty element is 1, else its text counts as it
//! stands, up to the first child element. DTDs are refused, and with them entities that grow.

use super::{Document, Pair, Parsed};
use crate::diagnostic::Diagnostic;
use roxmltree::{Node, ParsingOptions};

/// Nodes of one file: far more than options, far fewer than memory.
const MAX_NODES: u32 = 1_000_000;

/// The name of the element that holds the options.
const BLOCK: &str = "uwsgi";

pub fn parse(
    document: &Document<'_>,
    id: Option<&str>,
    findings: &mut Vec<Diagnostic>,
) -> Result<Parsed, Diagnostic> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let tree = roxmltree::Document::parse_with_options(&document.text, options).map_err(|error| {
        let origin = document.origin_of_line(usize::try_from(error.pos().row).unwrap_or(1));
        Diagnostic::error(&origin, "", format!("this is no XML: {error}; correct the line"))
    })?;
    let root = tree.root_element();
    let blocks: Vec<Node<'_, '_>> =
        if is_block(root) { vec![root] } else { root.children().filter(|child| is_block(*child)).collect() };
    let is_named = |block: &Node<'_, '_>| id.is_some() && block.attribute("id") == id;
    let named = blocks.iter().find(|block| is_named(block));
    let chosen =
        named.or_else(|| blocks.first().filter(|block| block.attribute("id").is_none() || id.is_none()));
    let Some(block) = chosen else {
        let names: Vec<String> =
            blocks.iter().filter_map(|block| block.attribute("id")).map(block_name).collect();
        let wanted = id.map_or_else(|| format!("<{BLOCK}>"), block_name);
        let missing = document.missing(&wanted, &names, &format!("<{BLOCK}>"));
        return Ok(Parsed { pairs: Vec::new(), missing: Some(missing) });
    };
    // The id has been used up by the choice of the block, or it chooses among the children.
    let child_id = id.filter(|_| named.is_none());
    let mut pairs = Vec::new();
    let mut is_met = child_id.is_none();
    for child in block.children() {
        if child.is_text() {
            pairs.extend(script(document, child));
        } else if child.is_element() {
            is_met |= child.attribute("id").is_some() && child.attribute("id") == child_id;
            if child.attribute("id").is_none() || child_id.is_none() || child.attribute("id") == child_id {
                pairs.extend(option(document, child, findings));
            }
        }
    }
    let missing = (!is_met).then(|| {
        let wanted = id.map_or_else(String::new, block_name);
        document.missing(&wanted, &[], &format!("<{BLOCK} id=\"{}\">", id.unwrap_or_default()))
    });
    Ok(Parsed { pairs, missing })
}

fn is_block(node: Node<'_, '_>) -> bool {
    node.has_tag_name(BLOCK)
}

fn block_name(id: &str) -> String {
    format!("<{BLOCK} id=\"{id}\">")
}

/// Bare CDATA among the options is Python code.
fn script(document: &Document<'_>, text: Node<'_, '_>) -> Option<Pair> {
    // The tree joins CDATA with the text around it and knows the place of the first part only.
    let from = text.range().start;
    let to = match text.next_sibling() {
        Some(next) => next.range().start,
        None => text.parent()?.range().end,
    };
    let at = document.text.get(from..to)?.find("<![CDATA[")?;
    let origin = document.origin_at(from + at);
    Some(Pair { key: "eval".to_owned(), value: text.text().unwrap_or_default().to_owned(), origin })
}

fn option(document: &Document<'_>, node: Node<'_, '_>, findings: &mut Vec<Diagnostic>) -> Option<Pair> {
    let key = node.tag_name().name().to_owned();
    let origin = document.origin_at(node.range().start);
    if let Some(mountpoint) = node.attribute("mountpoint").filter(|_| key == "app") {
        let target = node.children().find(|child| child.is_element()).and_then(|child| child.text())?;
        let value = format!("{mountpoint}={}", target.trim());
        return Some(Pair { key: "mount".to_owned(), value, origin });
    }
    let value = match node.first_child() {
        None => "1".to_owned(),
        Some(first) => match first.text().filter(|_| first.is_text()) {
            Some(text) => {
                if let Some(inner) = node.children().find(|child| child.is_element()) {
                    let inner = inner.tag_name().name();
                    let message = format!("only the text before <{inner}> counts; remove <{inner}>");
                    findings.push(Diagnostic::warning(&origin, &key, message));
                }
                text.to_owned()
            }
            None => {
                let message = "an option holds text only, so this element is ignored; write text, or an option of its own beside it";
                findings.push(Diagnostic::warning(&origin, &key, message));
                return None;
            }
        },
    };
    Some(Pair { key, value, origin })
}
