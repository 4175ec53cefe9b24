"""The problems on which mistakes are shown, and which mistake on which: each entry of a plan is one file in mistakes/."""
import problems

QUANTITIES = {"v": "value", "V": "state_values", "Q": "action_values", "d": "occupancy", "g": "gradient"}


def shown():
    """The problems on which mistakes are shown."""
    named = {v["name"]: v["problem"] for v in problems.VECTORS}
    affine, full, ends = named["affine-softmax"], named["family-softmax"], named["absorbing-states"]
    grid = named["gridworld-uniform"] | {"policy": problems.random_logits(5, 1)}
    ends = ends | {"environment": ends["environment"] | {"rewards": [[1, 0.5], [1, 1], [-1, -1]]}}

    def made(*parts):
        return {"format": "pemdp-problem/1"} | problems.problem(*parts)

    return named | {
        "grid": grid, "grid-other": grid | {"policy": problems.random_logits(6, 1)},
        "grid-given": named["gridworld-given-grids"], "grid-uniform-entropy": named["gridworld-uniform"] | {"entropy": 0.5},
        "affine-other": affine | {"policy": problems.softmax([-1.0, 0.5], [0.25, 0.0], [2.0, -1.0])},
        "full-other": full | {"policy": problems.softmax([-0.2, 0.4], [0.0, 0.3], [0.5, -1.1])},
        "transient": made("9/10", problems.weights([1, 2], [3, 1], [1, 1]),
                          problems.family([1, -1, 2], [[1, -2], [4, 0.5], [0, 0]], 0, None, base_weights=[
                              [[1, 2, 1], [3, 1, 1]], [[1, 1, 1], [2, 5, 1]], [[0, 0, 1]] * 2]), ["3/4", "1/4", 0]),
        "fixed-half": made(0.5, problems.softmax(*problems.L3), problems.fixed(problems.T3, problems.R3), problems.RHO3),
        "affine-weak": made(0.9, problems.softmax(*problems.L3), problems.affine(
            problems.AX, problems.R3, [[*key, m / 2] for *key, m in problems.AS], problems.AR), problems.RHO3),
        "loan-weak": made(0.9, problems.softmax([0.3, -0.5], [0.1, 0.2], [0.0, 0.0], [1.0, -1.0]),
                          problems.loan("mdp", "3/4", "1/4"), None, 0.1),
        "loan-weak-bandit": made(0.5, problems.weights([1, 2]), problems.loan("bandit", "9/10", "3/10", "1/2", 2)),
        "coin-one-step": made(0, problems.softmax([0.4, -0.3]), problems.coin(0.125, 0.25), [1]),
        "affine-half": affine | {"gamma": 0.5},
        "one-class": made("4/5", problems.weights([1, 2], [3, 1], [1, 3]), problems.fixed(
            [[["1/4", "1/2", "1/4"], [0, "1/3", "2/3"]], [[0, "1/2", "1/2"], [0, "1/4", "3/4"]], [[0, 1, 0], [0, "1/5", "4/5"]]],
            [[1, 0], [2, -1], ["1/2", 3]]), ["1/2", "1/4", "1/4"]),
        "ends": ends, "ends-entropy": ends | {"entropy": 0.3},
        "masked-affine": named["affine-softmax-entropy"] | {"available": [[1, 1], [1, 0], [0, 1]]},
        "masked-family": named["family-softmax"] | {"available": [[True, True], [False, True], [True, True]]},
        "masked-log-linear": named["fixed-log-linear"] | {"available": [[True, False], [True, True], [True, True]]},
        "total-goes-on": made(1, problems.softmax([0.2, -0.3], [0.5, 0.1], [0, 1]), problems.fixed(
            problems.PATH, [[-1, -2], [3, 1], [0, 0]]), [0.75, 0.25, 0]) | {"terminal": [1]},
        "family-ends-entropy": named["family-unreachable-absorbing"] | {"entropy": 0.2},
    }


def mistake_problems():
    """The mistakes of known_mistakes.py: (mistake, suffix, problem, previous)."""
    named = shown()
    full, full_entropy, grid, transient = map(named.get, ("family-softmax", "family-softmax-entropy", "grid", "transient"))
    irreducible, t2a, t2b = named["family-irreducible-weights"], named["t2a"], named["t2b"]
    affine, coin = named["affine-softmax"], named["coin-softmax-entropy"]
    other, full_other, grid_other = named["affine-other"], named["full-other"], named["grid-other"]
    plan = []
    for mistake in ("no-transition-term", "advantage-weighted-transition-score", "transition-score-one-step-late"):
        plan += [(mistake, "family", full, None), (mistake, "t2a", t2a, None), (mistake, "t2b", t2b, None)]
    plan += [("no-transition-term", "gridworld", grid, None), ("no-transition-term", "affine", affine, None)]
    plan += [("no-reward-term", "family", full, None), ("no-reward-term", "affine", affine, None), ("no-reward-term", "coin", coin, None)]
    plan += [("no-performative-terms", "family", full, None), ("no-performative-terms", "gridworld", grid, None)]
    plan += [("response-values-frozen", "gridworld", grid, None)]
    for mistake in ("transition-term-undiscounted", "undiscounted-occupancy"):
        plan += [(mistake, "irreducible", irreducible, None), (mistake, "transient", transient, None), (mistake, "loan", t2b, None),
                 (mistake, "gridworld", grid, None)]
    plan += [("transition-term-no-gamma", "family", full, None), ("transition-term-no-gamma", "irreducible", irreducible, None)]
    plan += [("normalised-occupancy", "family", full, None), ("normalised-occupancy", "t2b", t2b, None)]
    for mistake in ("entropy-in-reward-not-bootstrap", "entropy-in-bootstrap-not-reward", "entropy-sign"):
        plan += [(mistake, "family", full_entropy, None), (mistake, "fixed", named["fixed-softmax-entropy"], None),
                 (mistake, "gridworld", named["gridworld-random-entropy"], None)]
    plan += [("reward-weighted-by-state", "family", full, None), ("reward-weighted-by-state", "affine", affine, None)]
    plan += [("terminal-keeps-transitions", "gridworld", grid, None), ("terminal-keeps-rewards", "gridworld", grid, None)]
    plan += [("stale-environment", "affine", affine, other), ("stale-environment", "family", full, full_other),
             ("stale-environment", "uniform", irreducible, None), ("stale-environment", "gridworld", grid, grid_other)]
    plan += [("descent", "family", full, None), ("descent", "gridworld", grid, None)]
    plan += [("transposed-transitions", "fixed", named["fixed-half"], None),
             ("transposed-transitions", "affine", affine | {"gamma": 0.5}, None)]
    uniform, given, explicit = named["gridworld-uniform"], named["grid-given"], named["explicit-softmax"]
    for mistake in ("response-values-frozen", "terminal-keeps-transitions", "terminal-keeps-rewards"):
        plan += [(mistake, "uniform", uniform, None), (mistake, "given-grids", given, None)]
    plan += [("no-performative-terms", "affine", affine, None), ("reward-weighted-by-state", "explicit", explicit, None),
             ("transition-term-no-gamma", "affine", affine, None), ("normalised-occupancy", "gridworld", grid, None),
             ("descent", "coin", coin, None), ("transposed-transitions", "loan", t2b, None)]
    plan += [("undiscounted-occupancy", "terminal", named["terminal-affine-rational"], None)]
    return plan


# Of more_mistakes.py: mistake, name of the file, reading, what the answer has (QUANTITIES), problem, and where they matter the
# problem whose policy was deployed before, and the number of sweeps or steps, or the change below which they stop.
MORE = """
sign-of-one-term             family-policy                 policy             vg    family-softmax
sign-of-one-term             affine-transition             transition         vg    affine-softmax
sign-of-one-term             coin-reward                   reward             g     coin-softmax-entropy
sign-of-one-term             gridworld-transition          transition         g     grid
sign-of-one-term             explicit-reward               reward             g     explicit-softmax
sign-of-one-term             loan-policy                   policy             g     loan-softmax-entropy
response-applied-twice       coin-one-step                 all                vg    coin-one-step
response-applied-twice       coin                          all                v     coin-softmax-entropy
response-applied-twice       loan                          all                vdg   loan-weak
response-applied-twice       loan-bandit                   all                g     loan-weak-bandit
response-applied-twice       affine                        all                vVQdg affine-weak
response-applied-twice       affine-rewards                all                vg    two-basins-below
response-applied-twice       family                        all                vg    family-softmax
response-applied-twice       family-clip                   all                g     family-clip-active
response-applied-twice       family-weights                all                vVdg  family-weights-rational
start-ignored                family                        all                vg    family-softmax
start-ignored                gridworld                     all                v     grid
start-ignored                log-linear                    all                dg    affine-log-linear
start-ignored                absorbing                     all                vVdg  ends
start-ignored                loan                          all                g     t2b
mean-instead-of-sum          family-states                 states             vg    family-softmax
mean-instead-of-sum          six-states-actions            actions            vdg   fixed-six-states
mean-instead-of-sum          gridworld-pairs               pairs              g     grid
mean-instead-of-sum          affine-actions                actions            g     affine-softmax-entropy
mean-instead-of-sum          gridworld-states              states             vg    grid
divided-by-episode-length    transient                     steps              vg    transient
divided-by-episode-length    gridworld                     steps              g     grid
divided-by-episode-length    absorbing                     steps              vdg   ends
divided-by-episode-length    unreachable                   steps              g     family-unreachable-absorbing
value-off-by-gamma           family                        times              vV    family-softmax
value-off-by-gamma           gridworld                     times              vg    grid
value-off-by-gamma           entropy                       over               v     family-softmax-entropy
value-off-by-gamma           six-states                    over               vVQdg fixed-six-states
value-off-by-gamma           irreducible                   over               vQ    family-irreducible-weights
value-off-by-horizon         family                        times              vV    family-softmax
value-off-by-horizon         gridworld                     times              vg    grid
value-off-by-horizon         entropy                       over               v     family-softmax-entropy
value-off-by-horizon         six-states                    over               vVQdg fixed-six-states
value-off-by-horizon         irreducible                   over               vQ    family-irreducible-weights
states-weighted-alike        family-once                   once               vg    family-softmax
states-weighted-alike        affine-mean                    mean               dg    affine-softmax
states-weighted-alike        six-states-horizon             horizon            vdg   fixed-six-states
states-weighted-alike        gridworld-mean                 mean               g     grid
stationary-distribution      family-over                   over               vg    family-softmax
stationary-distribution      affine-over-printed           over-printed       dg    affine-softmax
stationary-distribution      loan-normalised               normalised         g     t2b
stationary-distribution      family-normalised             normalised         vdg   family-softmax-entropy
stationary-distribution      six-states-normalised-printed normalised-printed vdg   fixed-six-states
stationary-distribution      loan-over                     over               g     loan-softmax-entropy
undiscounted-occupancy       irreducible-printed           printed            dg    family-irreducible-weights
undiscounted-occupancy       transient-printed             printed            vdg   transient
undiscounted-occupancy       gridworld-printed             printed            dg    grid
absorbing-rows-missing       gridworld                     all                d     grid
absorbing-rows-missing       absorbing                     all                vdg   ends
absorbing-rows-missing       transient                     all                dg    transient
sweeps-stopped-early         family-1e-3                   sweeps             vV    family-softmax               -            0.001
sweeps-stopped-early         gridworld-1e-3                in-place           v     grid                         -            0.001
sweeps-stopped-early         entropy-1e-2                  in-place           v     family-softmax-entropy       -            0.01
sweeps-stopped-early         affine-40                     sweeps             vg    affine-softmax               -            40
sweeps-stopped-early         gridworld-40                  in-place           vV    gridworld-random-entropy     -            40
sweeps-stopped-early         long-1e-2                     sweeps             v     gamma-0.9999                 -            0.01
truncated-at-horizon         family-1e-3                   printed            vVdg  family-softmax               -            0.001
truncated-at-horizon         gridworld-1e-3                exact-occupancy    vg    grid                         -            0.001
truncated-at-horizon         family-gradient-1e-3          printed            g     family-softmax               -            0.001
truncated-at-horizon         entropy-1e-2                  exact-occupancy    vdg   family-softmax-entropy       -            0.01
truncated-at-horizon         affine-40                     printed            vg    affine-softmax               -            40
truncated-at-horizon         gridworld-40                  exact-occupancy    vVdg  gridworld-random-entropy     -            40
entropy-forgotten            family                        all                vg    family-softmax-entropy
entropy-forgotten            fixed                         all                g     fixed-softmax-entropy
entropy-forgotten            gridworld                     all                v     gridworld-random-entropy
entropy-forgotten            coin                          all                vVQdg coin-softmax-entropy
entropy-forgotten            affine                        all                vg    affine-probabilities-entropy
entropy-stops-at-absorbing   gridworld-uniform             all                vg    grid-uniform-entropy
entropy-stops-at-absorbing   gridworld                     all                g     gridworld-random-entropy
entropy-stops-at-absorbing   absorbing                     all                vVQdg ends-entropy
entropy-stops-at-absorbing   unreachable                   all                v     family-ends-entropy
absorbing-taken-for-terminal absorbing                     all                vVQdg ends
absorbing-taken-for-terminal absorbing-entropy             all                vg    ends-entropy
absorbing-taken-for-terminal unreachable                   all                g     family-unreachable-absorbing
absorbing-taken-for-terminal unreachable-entropy           all                v     family-ends-entropy
standardised-advantages      family-occupancy              occupancy          vg    family-softmax
standardised-advantages      affine-uniform                uniform            g     affine-softmax
standardised-advantages      gridworld-occupancy           occupancy          g     grid
standardised-advantages      six-states-uniform            uniform            vdg   fixed-six-states
standardised-advantages      probabilities-occupancy       occupancy          g     affine-probabilities
softmax-jacobian-diagonal    family                        all                vg    family-softmax
softmax-jacobian-diagonal    log-linear                    all                g     fixed-log-linear
softmax-jacobian-diagonal    six-states                    all                vdg   fixed-six-states
softmax-jacobian-diagonal    affine                        all                g     affine-softmax
pi-counted-twice             family                        all                vg    family-softmax-entropy
pi-counted-twice             log-linear                    all                g     fixed-log-linear
pi-counted-twice             gridworld                     all                g     grid
pi-counted-twice             six-states                    all                vdg   fixed-six-states
gradient-of-probabilities    affine                        all                vg    affine-softmax
gradient-of-probabilities    fixed-entropy                 all                g     fixed-softmax-entropy
gradient-of-probabilities    loan                          all                vdg   t2b
gradient-of-probabilities    coin                          all                g     coin-softmax-entropy
action-major-order           family                        all                vg    family-softmax
action-major-order           six-states                    all                dg    fixed-six-states
action-major-order           gridworld                     all                vg    grid
action-major-order           explicit                      all                g     explicit-softmax
transposed-system            family-values                 values             vg    family-softmax
transposed-system            affine-visits                 visits             vdg   affine-softmax
transposed-system            six-states-both               both               vVQdg fixed-six-states
transposed-system            gridworld-visits              visits             g     grid
transposed-system            irreducible-values            values             g     family-irreducible-weights
stale-environment            affine-performative           performative       vg    affine-softmax               affine-other -
stale-environment            family-performative           performative       vdg   family-softmax               full-other   -
stale-environment            gridworld-performative        performative       vg    grid                         grid-other   -
terminal-keeps-transitions   gridworld-everybody           everybody          vg    grid
terminal-keeps-rewards       gridworld-everybody           everybody          vg    grid
terminal-keeps-rewards       gridworld-moves               moves              vdg   grid
terminal-keeps-rewards       gridworld-moves-everybody     moves-everybody    vg    grid
discount-one-step-late       family                        all                vg    family-softmax
discount-one-step-late       gridworld                     all                g     grid
discount-one-step-late       six-states                    all                vVQdg fixed-six-states
discount-one-step-late       entropy                       all                dg    family-softmax-entropy
normalised-occupancy         family-occupancy              occupancy-only     vdg   family-softmax
normalised-occupancy         six-states-occupancy          occupancy-only     dg    fixed-six-states
start-ignored                family-value                  value-only         vVg   family-softmax
entropy-forgotten            family-values                 value-only         vVQg  family-softmax-entropy
entropy-forgotten            affine-gradient               gradient-only      vg    affine-softmax-entropy
entropy-in-bootstrap-not-reward family-action-values       action-values-only vVQdg family-softmax-entropy
truncated-at-horizon         family-visits                 visits             vVdg  family-softmax               -            12
truncated-at-horizon         affine-visits                 visits             dg    affine-softmax               -            20
truncated-at-horizon         family-derivative             derivative         vg    family-softmax               -            12
truncated-at-horizon         entropy-derivative            derivative         vVQdg family-softmax-entropy       -            9
truncated-at-horizon         affine-derivative             derivative         vg    affine-softmax               -            20
transposed-transitions       affine-solves                 solves-only        vg    affine-half
gradient-of-probabilities    family-without-entropy-term   without-entropy-term g   family-softmax-entropy
gradient-of-probabilities    fixed-without-entropy-term    without-entropy-term vg  fixed-softmax-entropy
stationary-distribution      one-class                     one-class          vdg   one-class
bootstrap-undiscounted       family                        all                vQg   family-softmax-entropy
bootstrap-undiscounted       affine                        all                g     affine-softmax
bootstrap-undiscounted       six-states                    all                vVQdg fixed-six-states
bootstrap-undiscounted       gridworld                     all                g     grid
bootstrap-undiscounted       terminal                      all                vQ    terminal-fixed-entropy
no-bootstrap                 family                        reward             vQg   family-softmax
no-bootstrap                 gridworld                     reward             vg    grid
no-bootstrap                 log-linear                    reward             g     fixed-log-linear
no-bootstrap                 missing                       reward             vQ    missing-ragged-entropy
no-bootstrap                 affine-own-state              own-state          vQ    affine-softmax-entropy
no-bootstrap                 six-states-own-state          own-state          vVQdg fixed-six-states
no-bootstrap                 probabilities-own-state       own-state          g     affine-probabilities
terminal-goes-on             explicit                      rows               vVQdg terminal-explicit
terminal-goes-on             probabilities                 rows               vg    terminal-affine-probabilities
terminal-goes-on             loan                          rows               dg    terminal-loan
terminal-goes-on             gridworld                     rows               vg    terminal-gridworld-entropy
terminal-goes-on             total                         rows               vVdg  total-goes-on
terminal-goes-on             family-loop                   loop               vg    terminal-family-entropy
terminal-goes-on             formulas-loop                 loop               vVQdg terminal-formulas-entropy
terminal-goes-on             affine-loop                   loop               g     terminal-affine-rational
terminal-goes-on             fixed-loop                    loop-without-entropy vVQ terminal-fixed-entropy
terminal-goes-on             gridworld-loop                loop-without-entropy d   terminal-gridworld-entropy
terminal-goes-on             family-loop-without-entropy   loop-without-entropy vg  terminal-family-entropy
entropy-after-the-end        fixed                         once               vVQg  terminal-fixed-entropy
entropy-after-the-end        family                        once               vg    terminal-family-entropy
entropy-after-the-end        probabilities                 once               g     terminal-affine-probabilities
entropy-after-the-end        total                         once               vVdg  total-formulas-entropy
entropy-after-the-end        gridworld-for-ever            for-ever           vg    terminal-gridworld-entropy
entropy-after-the-end        formulas-for-ever             for-ever           vVQdg terminal-formulas-entropy
entropy-after-the-end        explicit-for-ever             for-ever           g     terminal-explicit
entropy-after-the-end        probabilities-for-ever        for-ever           dg    terminal-affine-probabilities
missing-actions-taken        weights                       all                vVQdg missing-available-rational
missing-actions-taken        affine                        all                vg    masked-affine
missing-actions-taken        log-linear                    all                vdg   masked-log-linear
missing-actions-taken        family                        all                g     masked-family
stale-environment            affine-rewards                rewards            vdg   affine-softmax               affine-other -
stale-environment            family-rewards                rewards-performative vg  family-softmax               full-other   -
stale-environment            gridworld-rewards             rewards            g     grid                         grid-other   -
stale-environment            affine-transitions            transitions        vVg   affine-softmax               affine-other -
stale-environment            family-transitions            transitions-performative vdg family-softmax           full-other   -
stale-environment            gridworld-transitions         transitions-performative vg grid                      grid-other   -
stale-environment            entropy-transitions           transitions-performative g affine-softmax-entropy
start-one-step-late          family                        moved              vdg   family-softmax-entropy
start-one-step-late          gridworld                     moved              vg    grid
start-one-step-late          terminal                      moved              vVdg  terminal-affine-rational
start-one-step-late          family-left-out               first-left-out     dg    family-softmax
start-one-step-late          log-linear-left-out           first-left-out     vdg   fixed-log-linear
start-one-step-late          gridworld-left-out            first-left-out     g     grid
response-of-own-state        affine                        all                vg    affine-softmax
response-of-own-state        affine-entropy                all                vdg   affine-softmax-entropy
response-of-own-state        explicit                      all                g     explicit-softmax
response-of-own-state        gridworld                     all                vg    grid
response-of-own-state        probabilities                 all                g     affine-probabilities
sweeps-of-followers          uniform                       followers-3        vV    gridworld-uniform
sweeps-of-followers          entropy-everybody             everybody-3        vVQ   gridworld-random-entropy
sweeps-of-followers          given-grids                   followers-2        vVQ   grid-given
sweeps-of-followers          given-grids-everybody         everybody-3        v     grid-given
sweeps-of-followers          4x4-everybody                 everybody-3        vVd   gridworld-4x4-followers
sweeps-of-followers          3x5-everybody                 everybody-2        v     gridworld-3x5
sweeps-of-followers          uniform-visits                visits-5           v     gridworld-uniform
undiscounted-occupancy       terminal-printed              printed            dg    terminal-fixed-entropy
softmax-jacobian-diagonal    missing                       all                vg    missing-affine-softmax
softmax-jacobian-diagonal    missing-entropy               all                g     missing-ragged-entropy
gradient-of-probabilities    terminal                      all                g     terminal-fixed-entropy
"""


def more_mistake_problems():
    """The mistakes and readings of more_mistakes.py: (mistake, suffix, reading, quantities, problem, previous, count)."""
    named, plan = shown() | {"-": None}, []
    for line in MORE.strip().splitlines():
        mistake, suffix, reading, has, problem, previous, count = (line.split() + ["-", "-"])[:7]
        plan.append((mistake, suffix, reading, [QUANTITIES[x] for x in has], named[problem], named[previous],
                     None if count == "-" else float(count) if "e" in count or "." in count else int(count)))
    return plan
