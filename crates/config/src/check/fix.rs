//! `margrave check --fix`: corrected copies of the files in question, tried before they are handed out.
//!
//! Repairs come with the findings. A round applies all of them to a copy and checks again; a repair counts only when its
//! finding is gone and no error has come, so half of a set that fails is tried alone, down to the single repair. Rounds
//! follow until nothing is left that can be mended. Files stay as they are: whoever calls writes the copies.

use super::edit::{self, Edit};
use super::overlay::Overlay;
use super::{CheckReport, CheckRequest, Judgement, check_named, examine_file, files_of};
use crate::diagnostic::{Diagnostic, Origin, Severity};
use crate::loader::format_of;
use crate::options::Format;
use crate::source::{self, MAX_SOURCE_BYTES, Source};
use crate::world::World;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// What is put behind the name of a file for its corrected copy: neither a directory of vassals nor a check of a
/// directory takes such a name for a configuration.
pub const SUFFIX: &str = ".fixed";

/// Rounds after which a mended text is as good as it gets.
const MAX_ROUNDS: usize = 8;

/// A corrected copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// The file as it was named.
    pub file: String,
    /// Where the copy belongs; nothing for standard output.
    pub target: Option<String>,
    /// Its text.
    pub text: String,
    /// How many lines were mended.
    pub repairs: usize,
}

/// What `--fix` comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixReport {
    /// The copies to write.
    pub corrected: Vec<Corrected>,
    /// What is still to be said when the copies take the place of the files.
    pub report: CheckReport,
    /// The report for people.
    pub text: String,
}

/// Mends what can be mended in the files of a request and in the files that they include.
///
/// # Errors
/// One sentence when the request asks for one copy and there would be several.
pub fn correct(request: &CheckRequest, world: &dyn World, color: bool) -> Result<FixReport, String> {
    let named: Vec<String> = request.files.iter().flat_map(|file| files_of(file, world)).collect();
    let mut fixer = Fixer { overlay: Overlay::new(world), world, counts: BTreeMap::new() };
    for file in &named {
        fixer.mend(file, request.judgement);
    }
    if request.output.is_some() && fixer.counts.len() > 1 {
        let files = fixer.counts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "-o names one copy, but {} files have to be corrected: {files}; leave -o out, and each copy gets the name of its file with {SUFFIX}",
            fixer.counts.len()
        ));
    }
    let mut report = check_named(&named, request.judgement, &fixer.overlay);
    let corrected = fixer.copies(&named, request.output.as_deref());
    // Lines are those of the copies from here on, so that is what they are called.
    for copy in &corrected {
        let Some(target) = &copy.target else { continue };
        fixer.overlay.write(target, copy.text.clone());
        let findings = report.files.iter_mut().flat_map(|file| &mut file.findings);
        for finding in findings.filter(|finding| finding.file == copy.file) {
            finding.file.clone_from(target);
        }
    }
    let text = report.render(&fixer.overlay, color);
    Ok(FixReport { corrected, report, text })
}

struct Fixer<'w> {
    overlay: Overlay<'w>,
    world: &'w dyn World,
    /// Lines mended in each file.
    counts: BTreeMap<String, usize>,
}

/// A repair of one file.
#[derive(Clone, Debug)]
struct Proposal {
    file: String,
    edit: Edit,
    /// What the finding says, by which it is known again.
    identity: Identity,
}

/// File, option and message: lines move when comments move.
type Identity = (String, String, String);

impl Fixer<'_> {
    fn mend(&mut self, file: &str, judgement: Judgement) {
        let mut hopeless = HashSet::new();
        for _ in 0..MAX_ROUNDS {
            let found = examine_file(file, judgement, &self.overlay);
            let proposals = proposals(&found, &hopeless);
            if proposals.is_empty() {
                return;
            }
            self.settle(file, judgement, &found, &proposals, &mut hopeless);
        }
    }

    /// Applies proposals, all at once if that goes well, otherwise half by half.
    fn settle(
        &mut self,
        file: &str,
        judgement: Judgement,
        before: &[Diagnostic],
        proposals: &[Proposal],
        hopeless: &mut HashSet<(Identity, u32)>,
    ) {
        let texts = self.apply(proposals, hopeless);
        let applied: Vec<Proposal> =
            proposals.iter().filter(|proposal| !hopeless.contains(&proposal.key())).cloned().collect();
        if applied.is_empty() {
            return;
        }
        let earlier: Vec<(String, Option<String>)> = texts
            .iter()
            .map(|(name, _)| (name.clone(), self.overlay.text(name).map(str::to_owned)))
            .collect();
        for (name, text) in texts {
            self.overlay.write(&name, text);
        }
        let after = examine_file(file, judgement, &self.overlay);
        if is_better(before, &after, &applied) {
            for proposal in &applied {
                *self.counts.entry(proposal.file.clone()).or_default() += 1;
            }
            return;
        }
        for (name, text) in earlier {
            match text {
                Some(text) => self.overlay.write(&name, text),
                None => self.overlay.remove(&name),
            }
        }
        if let [single] = applied.as_slice() {
            hopeless.insert(single.key());
            return;
        }
        let (first, second) = applied.split_at(applied.len() / 2);
        self.settle(file, judgement, before, first, hopeless);
        let now = examine_file(file, judgement, &self.overlay);
        // Lines may have moved: what is left of the second half comes again in the next round.
        if now.len() == before.len() {
            self.settle(file, judgement, &now, second, hopeless);
        }
    }

    /// The texts after the proposals; those that do not fit are hopeless.
    fn apply(
        &self,
        proposals: &[Proposal],
        hopeless: &mut HashSet<(Identity, u32)>,
    ) -> Vec<(String, String)> {
        let mut by_file: BTreeMap<&str, Vec<&Proposal>> = BTreeMap::new();
        for proposal in proposals {
            by_file.entry(&proposal.file).or_default().push(proposal);
        }
        let mut texts = Vec::new();
        for (name, mine) in by_file {
            let Some(text) = self.read(name) else {
                hopeless.extend(mine.iter().map(|proposal| proposal.key()));
                continue;
            };
            let edits: Vec<Edit> = mine.iter().map(|proposal| proposal.edit.clone()).collect();
            let mut place = 0;
            let text = edit::apply(&text, format(name), &edits, |_, fits| {
                if !fits {
                    hopeless.insert(mine[place].key());
                }
                place += 1;
            });
            texts.push((name.to_owned(), text));
        }
        texts
    }

    /// The text of a file as it is now; nothing for what is no file, and for what is not UTF-8.
    fn read(&self, name: &str) -> Option<String> {
        if let Some(text) = self.overlay.text(name) {
            return Some(text.to_owned());
        }
        let bytes = match Source::parse(name) {
            Source::File(path) => self.world.read_file(Path::new(path), MAX_SOURCE_BYTES).ok()?,
            Source::StandardInput => self.world.read_stdin(MAX_SOURCE_BYTES).ok()?,
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    }

    /// The copies to write. Standard output gets the text even when nothing in it had to be mended.
    fn copies(&self, named: &[String], output: Option<&str>) -> Vec<Corrected> {
        let mut counts = self.counts.clone();
        if let [file] = named
            && counts.is_empty()
            && (output == Some("-") || file == "-")
        {
            counts.insert(file.clone(), 0);
        }
        let copies = counts.into_iter().filter_map(|(file, repairs)| {
            let text = self.read(&file)?;
            let target = match output {
                Some("-") => None,
                Some(output) => Some(output.to_owned()),
                None if file == "-" => None,
                None => Some(format!("{file}{SUFFIX}")),
            };
            Some(Corrected { file, target, text, repairs })
        });
        copies.collect()
    }
}

impl Proposal {
    fn key(&self) -> (Identity, u32) {
        (self.identity.clone(), self.edit.line)
    }
}

/// The repairs that findings bring, one a line: a second one on the same line comes in the next round.
fn proposals(found: &[Diagnostic], hopeless: &HashSet<(Identity, u32)>) -> Vec<Proposal> {
    let mut taken = HashSet::new();
    let mut proposals = Vec::new();
    for finding in found.iter().filter(|finding| finding.severity != Severity::Notice || is_at_top(finding)) {
        let (Some(repair), Origin::File { file, line }) = (&finding.repair, &finding.origin) else {
            continue;
        };
        let edit = Edit { line: (*line).max(1), key: finding.option.clone(), repair: (**repair).clone() };
        let proposal = Proposal { file: file.to_string(), edit, identity: identity(finding) };
        if !hopeless.contains(&proposal.key()) && taken.insert((proposal.file.clone(), proposal.edit.line)) {
            proposals.push(proposal);
        }
    }
    proposals
}

fn is_at_top(finding: &Diagnostic) -> bool {
    finding.topic == crate::Topic::Differs
}

fn identity(finding: &Diagnostic) -> Identity {
    let file = finding.origin.file().unwrap_or_default().to_owned();
    (file, finding.option.clone(), finding.message.clone())
}

/// Whether no error has come and every finding that was to be mended is gone.
fn is_better(before: &[Diagnostic], after: &[Diagnostic], applied: &[Proposal]) -> bool {
    let errors =
        |found: &[Diagnostic]| found.iter().filter(|finding| finding.severity == Severity::Error).count();
    let mut counts: HashMap<Identity, isize> = HashMap::new();
    for finding in before {
        *counts.entry(identity(finding)).or_default() += 1;
    }
    for proposal in applied {
        *counts.entry(proposal.identity.clone()).or_default() -= 1;
    }
    for finding in after {
        *counts.entry(identity(finding)).or_default() -= 1;
    }
    errors(after) <= errors(before) && applied.iter().all(|proposal| counts[&proposal.identity] >= 0)
}

/// The format of a file by its name, ini when the name says nothing.
fn format(name: &str) -> Format {
    let (path, _) = source::split_section(name);
    format_of(path.strip_suffix(SUFFIX).unwrap_or(path)).unwrap_or(Format::Ini)
}
