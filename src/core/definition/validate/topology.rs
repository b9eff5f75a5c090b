//! The graph: names that lead nowhere, cycles, and mappings that read what is not upstream. No recursion, as a chain
//! may have ten thousand nodes.

use super::Fault;
use super::fields::ReadNode;
use super::hint::Hints;
use std::collections::{HashMap, HashSet};

/// A cycle longer than this is named by its beginning and its end.
const SHOWN_OF_CYCLE: usize = 12;

/// The nodes around those that are judged: none for a definition, the graph it joins for a plan.
#[derive(Default)]
pub(crate) struct Outside<'o> {
    /// The nodes that may be waited for and read.
    pub upstream: HashSet<&'o str>,
    /// All nodes.
    pub all: HashSet<&'o str>,
}

/// What waits for what, by position.
pub(crate) struct Topology<'n> {
    index: HashMap<&'n str, usize>,
    dependencies: Vec<Vec<usize>>,
    /// Nodes that wait for each other are one component; what a component waits for comes before it.
    components: Vec<Vec<usize>>,
}

impl<'n> Topology<'n> {
    /// Resolves the names of nodes, and notes what is wrong with them.
    pub fn of(nodes: &'n [ReadNode], outside: &Outside, faults: &mut Vec<Fault>) -> Self {
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            let Some(id) = &node.id else { continue };
            let place = format!("{}/node_id", node.at);
            if outside.all.contains(id.as_str()) {
                faults.push(Fault::at(place, format!("\"{id}\" is already a node of this run; choose another name")));
            } else if let Some(first) = index.get(id.as_str()).map(|first| &nodes[*first].at) {
                faults
                    .push(Fault::at(place, format!("\"{id}\" is already the node_id of {first}; choose another name")));
            } else {
                index.insert(id.as_str(), i);
            }
        }
        let mut hints = Hints::default();
        let mut dependencies = vec![Vec::new(); nodes.len()];
        for (i, node) in nodes.iter().enumerate() {
            for (id, place) in &node.dependencies {
                match index.get(id.as_str()) {
                    Some(to) if *to == i => faults.push(Fault::at(place, "a node cannot wait for itself")),
                    Some(to) => dependencies[i].push(*to),
                    None if outside.upstream.contains(id.as_str()) => {}
                    None if outside.all.contains(id.as_str()) => {
                        let message = format!("\"{id}\" is not upstream of the planner; a plan can wait for what is");
                        faults.push(Fault::at(place, message));
                    }
                    None => {
                        let known = index.keys().chain(&outside.upstream).copied();
                        let hint = hints.for_word(id.as_str(), known);
                        faults.push(Fault::at(place, format!("there is no node \"{id}\"{hint}")));
                    }
                }
            }
        }
        let components = components(&dependencies);
        let topology = Self { index, dependencies, components };
        topology.name_cycles(nodes, faults);
        topology
    }

    /// Names one cycle of each knot of nodes that wait for each other.
    fn name_cycles(&self, nodes: &[ReadNode], faults: &mut Vec<Fault>) {
        let mut knots: Vec<&Vec<usize>> = self.components.iter().filter(|knot| knot.len() > 1).collect();
        knots.sort_by_key(|knot| knot.iter().min());
        for knot in knots {
            let inside: HashSet<usize> = knot.iter().copied().collect();
            let Some(start) = knot.iter().min().copied() else { continue };
            let (mut path, mut positions) = (Vec::new(), HashMap::new());
            let mut node = start;
            let begin = loop {
                if let Some(position) = positions.get(&node) {
                    break *position;
                }
                positions.insert(node, path.len());
                path.push(node);
                // In a knot, every node waits for another of the knot.
                node = self.dependencies[node].iter().copied().find(|to| inside.contains(to)).unwrap_or(start);
            };
            path.drain(..begin);
            path.push(node);
            let names: Vec<&str> = path.iter().filter_map(|i| nodes[*i].id.as_ref().map(|id| id.as_str())).collect();
            let message = format!("a cycle: {} (each waits for the next)", shown(&names));
            faults.push(Fault::at(format!("{}/dependencies", nodes[node].at), message));
        }
    }

    /// Notes every mapping that names a node which is not upstream.
    pub fn check_mappings(&self, nodes: &[ReadNode], outside: &Outside, faults: &mut Vec<Fault>) {
        let mut hints = Hints::default();
        let mut upstream: Option<Upstream> = None;
        for (i, node) in nodes.iter().enumerate() {
            for (name, place) in &node.named {
                if outside.upstream.contains(name.as_str()) {
                    continue;
                }
                let Some(to) = self.index.get(name.as_str()).copied() else {
                    let message = if outside.all.contains(name.as_str()) {
                        format!("reads outputs of \"{name}\", which is not upstream of the planner")
                    } else {
                        let known = self.index.keys().chain(&outside.upstream).copied();
                        format!("reads outputs of \"{name}\", but there is no such node{}", hints.for_word(name, known))
                    };
                    faults.push(Fault::at(place, message));
                    continue;
                };
                if self.dependencies[i].contains(&to) {
                    continue;
                }
                let upstream = upstream.get_or_insert_with(|| Upstream::of(&self.dependencies, &self.components));
                if to == i {
                    faults.push(Fault::at(place, "reads the node's own output, which does not exist yet"));
                } else if !upstream.contains(i, to) {
                    let message = format!(
                        "reads outputs of \"{name}\", which is not upstream of this node; add it to its dependencies"
                    );
                    faults.push(Fault::at(place, message));
                }
            }
        }
    }
}

fn shown(names: &[&str]) -> String {
    if names.len() <= SHOWN_OF_CYCLE + 1 {
        return names.join(" → ");
    }
    let half = SHOWN_OF_CYCLE / 2;
    let (head, tail) = (&names[..half], &names[names.len() - half..]);
    format!("{} → … {} more … → {}", head.join(" → "), names.len() - SHOWN_OF_CYCLE, tail.join(" → "))
}

/// Strongly connected components (Tarjan's algorithm, its recursion unrolled): what a component waits for comes
/// before it.
fn components(dependencies: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let count = dependencies.len();
    let (mut order, mut low, mut on_stack) = (vec![UNSEEN; count], vec![0; count], vec![false; count]);
    let (mut next, mut stack, mut found) = (0, Vec::new(), Vec::new());
    for root in 0..count {
        if order[root] != UNSEEN {
            continue;
        }
        // A node, and how many of its dependencies have been followed.
        let mut calls = vec![(root, 0usize)];
        while let Some((node, followed)) = calls.pop() {
            if followed == 0 {
                order[node] = next;
                low[node] = next;
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            } else {
                let back = dependencies[node][followed - 1];
                low[node] = low[node].min(low[back]);
            }
            let mut at = followed;
            while let Some(to) = dependencies[node].get(at) {
                at += 1;
                if order[*to] == UNSEEN {
                    break;
                }
                if on_stack[*to] {
                    low[node] = low[node].min(order[*to]);
                }
            }
            match at.checked_sub(1).map(|last| dependencies[node][last]).filter(|to| order[*to] == UNSEEN) {
                Some(to) => {
                    calls.push((node, at));
                    calls.push((to, 0));
                }
                None if low[node] == order[node] => {
                    let start = stack.iter().rposition(|on| *on == node).unwrap_or_default();
                    let component = stack.split_off(start);
                    component.iter().for_each(|member| on_stack[*member] = false);
                    found.push(component);
                }
                None => {}
            }
        }
    }
    found
}

/// For each component, the set of all nodes upstream of it, as bits.
struct Upstream {
    words: usize,
    component_of: Vec<usize>,
    bits: Vec<u64>,
}

impl Upstream {
    fn of(dependencies: &[Vec<usize>], components: &[Vec<usize>]) -> Self {
        let words = dependencies.len().div_ceil(64);
        let mut component_of = vec![0; dependencies.len()];
        for (number, component) in components.iter().enumerate() {
            component.iter().for_each(|node| component_of[*node] = number);
        }
        let mut bits = vec![0u64; components.len() * words];
        for (number, component) in components.iter().enumerate() {
            let (before, rest) = bits.split_at_mut(number * words);
            let own = &mut rest[..words];
            for to in component.iter().flat_map(|node| &dependencies[*node]) {
                own[to / 64] |= 1 << (to % 64);
                let from = component_of[*to] * words;
                if component_of[*to] != number {
                    own.iter_mut().zip(&before[from..from + words]).for_each(|(own, theirs)| *own |= theirs);
                }
            }
        }
        Self { words, component_of, bits }
    }

    fn contains(&self, node: usize, upstream: usize) -> bool {
        self.bits[self.component_of[node] * self.words + upstream / 64] & (1 << (upstream % 64)) != 0
    }
}
