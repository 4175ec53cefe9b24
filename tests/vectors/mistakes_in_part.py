"""Mistakes of more_mistakes.py in one of the quantities that they touch, beside others that are right: further readings there."""
from more_mistakes import answer, entropy_forgotten, gradient, own_rewards, reading, valued, zero


@reading("normalised-occupancy", "occupancy-only", "the occupancy times 1 - gamma; everything else right.")
def only_occupancy_normalised(e, tangents, previous):
    return answer(e, gradient(e, tangents), occupancy=[[(1 - e.problem.gamma) * x for x in row] for row in e.occupancy])


@reading("start-ignored", "value-only", "the value as the mean of V over all states; everything else right.")
def only_value_from_uniform_start(e, tangents, previous):
    return answer(e, gradient(e, tangents), value=sum(e.V) / (zero(e) + e.S))


@reading("entropy-forgotten", "value-only", "the value and V of the problem with lambda = 0; everything else right.")
def entropy_forgotten_in_values(e, tangents, previous):
    other = entropy_forgotten(e, tangents, previous)
    return answer(e, gradient(e, tangents), value=other["value"], state_values=other["state_values"])


@reading("entropy-forgotten", "gradient-only", "the gradient of the problem with lambda = 0; everything else right.")
def entropy_forgotten_in_gradient(e, tangents, previous):
    return answer(e, entropy_forgotten(e, tangents, previous)["gradient"])


@reading("entropy-in-bootstrap-not-reward", "action-values-only", "Q[s,a] = r[s,a] + gamma sum_t P[s,a,t] V[t], without the step's own "
         "-lambda log pi(a|s), as in soft actor-critic; everything else right.")
def action_values_without_own_entropy(e, tangents, previous):
    return answer(e, gradient(e, tangents), action_values=valued(e, e.V, own_rewards(e)).Q)
