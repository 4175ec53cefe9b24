//! The reward of each action of each state: what a problem has of all that files tell of rewards.

use std::collections::{BTreeMap, BTreeSet};

use super::exact::Exact;
use super::model::{Model, NextReward, Transition, pair};
use super::number::Number;

/// `r(s,a)` of all rows: rewards of the state and of the action, and the mean of those of next
/// states, without rounding. The transitions are arranged and sum to 1.
///
/// # Errors
/// A sum that is beyond doubles or has too many digits.
pub fn rewards(model: &mut Model) -> anyhow::Result<BTreeMap<[u32; 2], Number>> {
    let mut states: BTreeMap<u32, Vec<&Number>> = BTreeMap::new();
    for (state, reward) in model.state_rewards.iter().filter(|(_, reward)| !reward.is_zero()) {
        states.entry(*state).or_default().push(reward);
    }
    let mut actions: BTreeMap<[u32; 2], Vec<&Number>> = BTreeMap::new();
    for (at, reward) in model.action_rewards.iter().filter(|(_, reward)| !reward.is_zero()) {
        actions.entry(*at).or_default().push(reward);
    }
    let (mut rewards, mut paid) = (BTreeMap::new(), BTreeSet::new());
    let mut nexts = &model.next_rewards[..];
    let mut unused = 0;
    for row in model.transitions.chunk_by(|one, another| pair(&one.at) == pair(&another.at)) {
        let Some(at) = row.first().map(|entry| pair(&entry.at)) else { continue };
        let skipped = nexts.partition_point(|next| pair(&next.at) < at);
        unused += nexts[..skipped].iter().filter(|next| !next.reward.is_zero()).count();
        let length = nexts[skipped..].partition_point(|next| pair(&next.at) == at);
        let mean = mean(row, &nexts[skipped..skipped + length])?;
        nexts = &nexts[skipped + length..];
        let mut terms: Vec<&Number> = mean.iter().collect();
        terms.extend(states.get(&at[0]).into_iter().flatten());
        terms.extend(actions.remove(&at).into_iter().flatten());
        paid.insert(at[0]);
        rewards.insert(at, total(&terms)?);
    }
    unused += nexts.iter().filter(|next| !next.reward.is_zero()).count();
    unused += actions.len() + states.keys().filter(|state| !paid.contains(*state)).count();
    if unused > 0 {
        let word = if unused == 1 { "reward is" } else { "rewards are" };
        model.notes.push(format!("{unused} {word} dropped, of states and actions without transitions"));
    }
    Ok(rewards)
}

/// The mean reward of the next state; `None` where none has one.
fn mean(row: &[Transition], rewards: &[NextReward]) -> anyhow::Result<Option<Number>> {
    let reward_of = |entry: &Transition| {
        rewards.binary_search_by_key(&entry.at, |reward| reward.at).ok().map(|at| &rewards[at].reward)
    };
    let found: Vec<Option<&Number>> = row.iter().map(reward_of).collect();
    let Some(first) = found.iter().flatten().next() else { return Ok(None) };
    // What is paid whatever the next state is, is paid whatever the row sums to.
    if found.iter().all(|reward| reward.is_some_and(|reward| reward.equals(first))) {
        return Ok(Some((*first).clone()));
    }
    let mut sum = Exact::zero();
    for (entry, reward) in row.iter().zip(found) {
        if let Some(reward) = reward.filter(|reward| !reward.is_zero()) {
            sum = sum.plus(&entry.probability.exact().times(&reward.exact()))?;
        }
    }
    sum.number().map(Some)
}

/// The sum of numbers; one alone keeps its spelling.
fn total(terms: &[&Number]) -> anyhow::Result<Number> {
    match terms {
        [] => Ok(Number::natural(0)),
        [one] => Ok((*one).clone()),
        [first, rest @ ..] => {
            let mut sum = first.exact();
            for term in rest {
                sum = sum.plus(&term.exact())?;
            }
            sum.number()
        }
    }
}
