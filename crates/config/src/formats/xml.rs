//! XML: an element `<uwsgi>` whose children are options.
//!
//! As uWSGI with libxml2: the root is `<uwsgi>`, or the first `<uwsgi>` child of the root counts that has no `id` or the one
//! asked for as `file.xml:ID`; of its children those count that have no `id` or that one, and no `mode` or the one of the
//! option `mode`. An empty element is 1, else its text counts as it stands, up to the first child element. Comments and
//! processing instructions are passed over. Declarations of entities are refused, and with them entities that grow.

use super::{Document, Pair, Parsed, Selection};
use crate::diagnostic::{Diagnostic, Topic};
use roxmltree::{Node, ParsingOptions};

/// Nodes of one file: far more than options, far fewer than memory.
const MAX_NODES: u32 = 1_000_000;

/// The name of the element that holds the options.
const BLOCK: &str = "uwsgi";

pub fn parse(
    document: &Document<'_>,
    selection: Selection<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Result<Parsed, Diagnostic> {
    if let Some(place) = document.text.find("<!ENTITY") {
        let message =
            "entities that a file declares are not replaced; write their text out, or use %(placeholders)";
        return Err(Diagnostic::error(&document.origin_at(place), "", message));
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, allow_dtd: true, ..ParsingOptions::default() };
    let tree = roxmltree::Document::parse_with_options(&document.text, options).map_err(|error| {
        let origin = document.origin_of_line(usize::try_from(error.pos().row).unwrap_or(1));
        Diagnostic::error(&origin, "", format!("this is no XML: {error}; correct the line"))
    })?;
    let id = selection.section;
    let Some(block) = block(tree.root_element(), id) else {
        return Err(no_block(document, tree.root_element(), id));
    };
    let mut pairs = Vec::new();
    let mut is_met = id.is_none() || block.attribute("id") == id;
    for child in block.children() {
        if child.is_text() {
            pairs.extend(script(document, child));
        } else if child.is_element() {
            let fits = |name: &str, wanted: Option<&str>| {
                wanted.is_none() || child.attribute(name).is_none() || child.attribute(name) == wanted
            };
            is_met |= child.attribute("id").is_some() && child.attribute("id") == id;
            if fits("id", id) && fits("mode", selection.mode) {
                pairs.extend(option(document, child, findings));
            }
        }
    }
    let missing = (!is_met).then(|| {
        let id = id.unwrap_or_default();
        let message = format!("nothing here has id=\"{id}\", so all that has no id is read; correct the id");
        Diagnostic::warning(&document.origin(), "", message)
    });
    findings.extend(missing);
    Ok(Parsed { pairs, missing: None })
}

/// The element that holds the options.
fn block<'a, 'input>(root: Node<'a, 'input>, id: Option<&str>) -> Option<Node<'a, 'input>> {
    if is_block(root) {
        return Some(root);
    }
    let is_named =
        |block: &Node<'_, '_>| id.is_none() || block.attribute("id").is_none() || block.attribute("id") == id;
    root.children().filter(|child| is_block(*child)).find(is_named)
}

/// uWSGI refuses such a file.
fn no_block(document: &Document<'_>, root: Node<'_, '_>, id: Option<&str>) -> Diagnostic {
    let wanted = id.map_or_else(|| format!("<{BLOCK}>"), block_name);
    let ids = root.children().filter(|child| is_block(*child)).filter_map(|block| block.attribute("id"));
    let names: Vec<String> = ids.map(block_name).collect();
    let advice = if names.is_empty() {
        "make it the root of the file, or a child of the root".to_owned()
    } else {
        format!("name one of those in the file: {}", names.join(", "))
    };
    Diagnostic::error(&document.origin(), "", format!("there is no {wanted} that holds options; {advice}"))
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
    // uWSGI takes the first node, even when it is a comment.
    if node.first_child().is_some_and(|first| !first.is_text() && !first.is_element()) {
        let message =
            "the comment before the text is passed over; uWSGI takes it for the value, so remove it";
        findings.push(Diagnostic::warning(&origin, &key, message).about(Topic::Differs));
    }
    let mut content = node.children().filter(|child| child.is_text() || child.is_element());
    let value = match content.next() {
        None => "1".to_owned(),
        Some(first) => match first.text().filter(|_| first.is_text()) {
            Some(text) => {
                if let Some(next) = content.next() {
                    let inner = match next.tag_name().name() {
                        "" => "the comment".to_owned(),
                        name => format!("<{name}>"),
                    };
                    let message = format!("only the text before {inner} counts; remove {inner}");
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
