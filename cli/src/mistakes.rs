//! The known mistakes, a line each; in full: `docs/mistakes.md`.

/// What is computed in place of the truth.
pub fn description(id: &str) -> &'static str {
    match id {
        "no-transition-term" => "ordinary policy gradient plus the reward term; transitions taken as fixed",
        "advantage-weighted-transition-score" => {
            "transition score weighted by the step's own advantage [PePG, T2]; its mean is 0"
        }
        "transition-score-one-step-late" => {
            "transition score weighted by the next state's advantage; its mean is 0"
        }
        "no-reward-term" => "rewards taken as fixed: their dependence on the policy is left out",
        "no-performative-terms" => "ordinary policy gradient, as if the environment did not respond",
        "response-values-frozen" => "followers' values held fixed when their response is differentiated",
        "transition-term-undiscounted" => "undiscounted visits in place of d in the transition term",
        "transition-term-no-gamma" => "the factor gamma of the transition term is missing",
        "normalised-occupancy" => "everything weighted by d is multiplied by 1 - gamma",
        "undiscounted-occupancy" => "undiscounted visits in place of d in all terms",
        "entropy-in-reward-not-bootstrap" => {
            "entropy in the current step only, not in the values of later states"
        }
        "entropy-in-bootstrap-not-reward" => "entropy in the values of later states, not in the current step",
        "entropy-sign" => "the sign of the entropy bonus",
        "reward-weighted-by-state" => "d[s] in place of d[s,a] in the reward term",
        "terminal-keeps-transitions" => "the gridworld's terminal state moves on as any other cell",
        "terminal-keeps-rewards" => "the gridworld's terminal state goes on paying",
        "stale-environment" => "evaluated in the environment that the previous policy induced",
        "descent" => "the gradient of -J: the sign is reversed",
        "transposed-transitions" => "P[s,a,t] read as P[t,a,s]",
        _ => "see docs/mistakes.md",
    }
}

#[cfg(test)]
mod tests {
    use super::description;
    use pemdp::oracle::KNOWN_MISTAKES;

    #[test]
    fn every_known_mistake_has_a_description() {
        for mistake in KNOWN_MISTAKES {
            assert_ne!(description(mistake.id), description(""), "{}", mistake.id);
        }
    }
}
