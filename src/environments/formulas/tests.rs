use super::*;
use crate::arithmetic::{Ball, Rational, ratio};
use crate::criterion::Criterion;
use crate::policy::{Policy, PolicySpec, Probabilities, Softmax};
use crate::problem::{ActionSets, Names, Parts, Problem, Reading};
use crate::response::Cotangent;

fn texts(transitions: &[([usize; 3], &str)], rewards: &[([usize; 2], &str)]) -> FormulaTexts {
    FormulaTexts {
        transitions: transitions.iter().map(|(entry, text)| (*entry, (*text).to_owned())).collect(),
        rewards: rewards.iter().map(|(entry, text)| (*entry, (*text).to_owned())).collect(),
        ..FormulaTexts::default()
    }
}

/// One state, two actions, and a reward for the first.
fn bandit(reward: &str) -> FormulaTexts {
    texts(&[([0, 0, 0], "1"), ([0, 1, 0], "1")], &[([0, 0], reward)])
}

fn error(texts: FormulaTexts) -> String {
    FormulasSpec::new(texts, 1, 2, 2).unwrap_err().to_string()
}

/// The formulas with a policy, discounted by a half.
fn deployed(environment: FormulasSpec, policy: PolicySpec) -> Result<Problem, InputError> {
    let parts = Parts {
        n_states: 1,
        n_actions: 2,
        gamma: 0.5.into(),
        criterion: Criterion::Discounted,
        actions: ActionSets::default(),
        names: Names::default(),
        initial: Some(vec![1.0.into()]),
        entropy: Numeral::ZERO,
        policy,
        environment: environment.into(),
    };
    Problem::new(parts, Reading::Doubles)
}

/// The value of a formula at `pi = (1/4, 3/4)`, and its derivatives by `pi`.
fn at_quarter(formula: &str) -> (Rational, [Rational; 2]) {
    let spec = FormulasSpec::new(bandit(formula), 1, 2, 2).unwrap();
    let policy = Policy::probabilities(1, 2, vec![ratio(1, 4), ratio(3, 4)]).unwrap();
    let formulas = Formulas::<Rational>::rational(Arc::clone(&spec.compiled), Vec::new());
    let induced = formulas.induce(&policy).unwrap();
    let value = induced.rewards[0].clone();
    let (visits, values) = ([ratio(0, 1), ratio(0, 1)], [ratio(0, 1)]);
    let reward = [ratio(1, 1), ratio(0, 1)];
    let transition = crate::response::TransitionCotangent::Product { visits: &visits, values: &values };
    let pulled = induced.pullback.pull(&Cotangent { transition, reward: &reward });
    let gradient = pulled.reward.to_parameters(&policy).unwrap();
    (value, [gradient[0].clone(), gradient[1].clone()])
}

#[test]
fn formulas_are_read_as_in_mathematics() {
    for (formula, value, first, second) in [
        ("2 + 3 * 4", ratio(14, 1), ratio(0, 1), ratio(0, 1)),
        ("2 - 3 - 4", ratio(-5, 1), ratio(0, 1), ratio(0, 1)),
        ("2 / 3 / 4", ratio(1, 6), ratio(0, 1), ratio(0, 1)),
        ("-2^2", ratio(-4, 1), ratio(0, 1), ratio(0, 1)),
        ("2^-2", ratio(1, 4), ratio(0, 1), ratio(0, 1)),
        ("2^3^2", ratio(512, 1), ratio(0, 1), ratio(0, 1)),
        ("2**3", ratio(8, 1), ratio(0, 1), ratio(0, 1)),
        ("+.5 + 2. + 1e-1 - 1.5E1", ratio(-124, 10), ratio(0, 1), ratio(0, 1)),
        ("pi[0,0]", ratio(1, 4), ratio(1, 1), ratio(0, 1)),
        ("pi[ 0 , 1 ] - pi[0,0]", ratio(1, 2), ratio(-1, 1), ratio(1, 1)),
        ("pi[0,0] * pi[0,1]", ratio(3, 16), ratio(3, 4), ratio(1, 4)),
        ("pi[0,0] / pi[0,1]", ratio(1, 3), ratio(4, 3), ratio(-4, 9)),
        ("pi[0,0]^3", ratio(1, 64), ratio(3, 16), ratio(0, 1)),
        ("pi[0,0]^-2", ratio(16, 1), ratio(-128, 1), ratio(0, 1)),
        ("-(pi[0,0] - 1)^2", ratio(-9, 16), ratio(3, 2), ratio(0, 1)),
        ("max(pi[0,0], pi[0,1], 1/2)", ratio(3, 4), ratio(0, 1), ratio(1, 1)),
        ("min(pi[0,0], pi[0,1])", ratio(1, 4), ratio(1, 1), ratio(0, 1)),
        ("abs(pi[0,0] - pi[0,1])", ratio(1, 2), ratio(-1, 1), ratio(1, 1)),
        ("abs(2 * pi[0,1])", ratio(3, 2), ratio(0, 1), ratio(2, 1)),
        ("sqrt(9/4) * pi[0,0]", ratio(3, 8), ratio(3, 2), ratio(0, 1)),
    ] {
        assert_eq!(at_quarter(formula), (value, [first, second]), "{formula}");
    }
}

#[test]
fn functions_have_their_derivatives() {
    let policy = Policy::softmax(1, 2, vec![0.3, -0.4]).unwrap();
    let reward = |formula: &str, policy: &Policy<f64>| {
        let spec = FormulasSpec::new(bandit(formula), 1, 2, 2).unwrap();
        let formulas = Formulas::<f64>::transcendental(Arc::clone(&spec.compiled), Vec::new());
        formulas.induce(policy).unwrap().rewards[0]
    };
    let p = *policy.probability(0, 0);
    for (formula, value) in [
        ("exp(theta[0])", 0.3_f64.exp()),
        ("log(pi[0,0])", p.ln()),
        ("sqrt(pi[0,0] + 1)", (p + 1.0).sqrt()),
        ("tanh(-3 * pi[0,0])", (-3.0 * p).tanh()),
        ("sigmoid(theta[0,1] * 2)", 1.0 / (1.0 + 0.8_f64.exp())),
        ("sigmoid(800 * theta[0])", 1.0),
        ("sigmoid(8000 * theta[1])", 0.0),
    ] {
        assert!((reward(formula, &policy) - value).abs() <= 1e-15, "{formula}");
        let spec = FormulasSpec::new(bandit(formula), 1, 2, 2).unwrap();
        let formulas = Formulas::<f64>::transcendental(Arc::clone(&spec.compiled), Vec::new());
        let induced = formulas.induce(&policy).unwrap();
        let (visits, values) = ([0.0, 0.0], [0.0]);
        let transition = crate::response::TransitionCotangent::Product { visits: &visits, values: &values };
        let pulled = induced.pullback.pull(&Cotangent { transition, reward: &[1.0, 0.0] });
        let gradient = pulled.reward.to_parameters(&policy).unwrap();
        for (k, slope) in gradient.iter().enumerate() {
            let moved = |h: f64| {
                let mut logits = vec![0.3, -0.4];
                logits[k] += h;
                reward(formula, &Policy::softmax(1, 2, logits).unwrap())
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() <= 1e-9, "{formula} {k}: {slope} {difference}");
        }
    }
}

#[test]
fn what_is_wrong_is_located() {
    for (formula, expected) in [
        ("", "column 1 is the end, expected a number, a name, a function or ("),
        ("1 +", "column 4 is the end, expected a number, a name, a function or ("),
        ("1 $ 2", "column 3 is \"$\", expected an operator or the end"),
        ("(1", "column 3 is the end, expected an operator or )"),
        ("2 pi[0,0]", "column 3 is \"pi\", expected an operator or the end"),
        ("pi[0]", "column 1 is \"pi[0]\", expected pi[state, action]"),
        ("1 + pi[0,7]", "column 10 is \"7\", expected an action, an integer from 0 to 1"),
        ("pi[1,0]", "column 4 is \"1\", expected a state, an integer from 0 to 0"),
        ("pi[0,a]", "column 6 is \"a\", expected an index, an integer from 0"),
        ("theta[2]", "column 7 is \"2\", expected a parameter, an integer from 0 to 1"),
        ("theta", "column 1 is \"theta\", expected theta[index] or theta[state, action]"),
        ("exp 1", "column 5 is \"1\", expected ( after exp"),
        ("c[0][1]", "column 5 is \"[\", expected indices in one pair of brackets, such as [0,1]"),
        (
            "2*sigmod(pi[0,0])",
            "column 3 is \"sigmod\", expected one of exp, log, sqrt, tanh, sigmoid, min, max, abs before (",
        ),
        ("log(1, 2)", "column 6 is \",\", expected an operator or )"),
        ("max(1 2)", "column 7 is \"2\", expected an operator, a comma or )"),
        (
            "2^pi[0,0]",
            "column 3 is the exponent, expected a constant integer from -1000 to 1000; others are exp(y * log(x))",
        ),
        ("2^0.5", "column 3 is the exponent, expected a constant integer"),
        ("1e", "column 2 is \"e\", expected an operator, the end or an exponent such as e-3"),
        ("01", "column 1 is \"01\", expected a number such as 0.5"),
        (".", "column 1 is \".\", expected a number such as 0.5"),
        ("1e99999", "column 1 is \"1e99999\", expected at most 4096 digits"),
        (
            "load",
            "column 1 is \"load\", expected pi, theta, a function or a name in constants or definitions",
        ),
        ("π", "column 1 is \"π\", expected a number, a name, a function or ("),
    ] {
        let seen = error(bandit(formula));
        let expected = format!("environment.rewards[0]: {expected}");
        assert!(seen.starts_with(&expected), "{formula}: {seen}");
    }
    let deep = format!("{}1{}", "(".repeat(300), ")".repeat(300));
    assert!(error(bandit(&deep)).contains("expected at most 200 signs and parentheses in each other"));
    assert!(error(bandit(&"-".repeat(100_000))).contains("expected at most 200 signs"));
}

#[test]
fn names_stand_for_one_thing() {
    let with = |constants: &[(&str, f64)], definitions: &[(&str, &str)]| FormulaTexts {
        constants: constants.iter().map(|(name, x)| ((*name).to_owned(), Numeral::from(*x))).collect(),
        definitions: definitions.iter().map(|(name, x)| ((*name).to_owned(), (*x).to_owned())).collect(),
        ..bandit("a")
    };
    assert!(
        FormulasSpec::new(with(&[("c", 2.0)], &[("a", "b[1] + c"), ("b[1]", "pi[0,0]")]), 1, 2, 2).is_ok()
    );
    for (texts, expected) in [
        (with(&[("a", 1.0)], &[("a", "1")]), "environment.definitions.a: stands in constants already"),
        (with(&[("exp", 1.0)], &[]), "environment.constants.exp: is taken by the language of formulas"),
        (with(&[("pi[0,0]", 1.0)], &[]), "environment.constants.pi[0,0]: is taken"),
        (with(&[("2a", 1.0)], &[]), "environment.constants.2a: is no name"),
        (with(&[("a[01]", 1.0)], &[]), "environment.constants.a[01]: is no name"),
        (with(&[("a[0", 1.0)], &[]), "environment.constants.a[0: is no name"),
        (with(&[("", 1.0)], &[]), "environment.constants.: is no name"),
        (with(&[], &[("a", "a + 1")]), "environment.definitions.a: is made of a itself"),
        (
            with(&[], &[("a", "b"), ("b", "c"), ("c", "2 * b")]),
            "environment.definitions.b: is made of b itself",
        ),
        (with(&[], &[("a", "1 + b")]), "environment.definitions.a: column 5 is \"b\""),
    ] {
        let seen = error(texts);
        assert!(seen.starts_with(expected), "{seen}");
    }
    // A long chain takes no stack, and what is used twice is looked at once.
    let long = |link: &str, end: &str, n: usize, other: &str| {
        let chain = (0..n).map(|i| (format!("a[{i}]"), link.replace('@', &format!("a[{}]", i + 1))));
        let mut texts = bandit("1");
        (texts.transitions[0].1, texts.transitions[1].1) = ("a[0]".to_owned(), other.to_owned());
        texts.definitions = chain.chain([(format!("a[{n}]"), end.to_owned())]).collect();
        texts.normalise = true;
        let spec = FormulasSpec::new(texts, 1, 2, 2).unwrap();
        matches!(spec.compiled.recognised, Recognised::LocalFamily(_))
    };
    assert!(long("@*exp(theta[0]*1e-6)", "1", 200_000, "exp(theta[1]/5)"));
    assert!(!long("@*@", "exp(theta[0])", 40, "1"));
    assert!(long("@*@/exp(1)", "exp(theta[0])", 2, "exp(4*theta[1])"));
    assert!(!long("@/@", "0", 1, "1"), "0/0");
    assert!(!long("@*@ - @", "pi[0,0]/2 + 1/3", 40, "1"));
    assert!(!long("@*(pi[0,0] + exp(pi[0,0]) + exp(pi[0,1])) - @/2", "pi[0,0]/2", 40, "1"));
    let chain = (0..50_000).map(|i| (format!("a[{i}]"), format!("a[{}] + 1", i + 1)));
    let mut texts = bandit("a[0]");
    texts.definitions = chain.chain([("a[50000]".to_owned(), "pi[0,0]".to_owned())]).collect();
    assert!(FormulasSpec::new(texts, 1, 2, 2).unwrap().n_expressions() > 50_000);
}

#[test]
fn what_formulas_are_is_recognised() {
    let kind = |texts: FormulaTexts, n_states: usize| {
        let spec = FormulasSpec::new(texts, n_states, 2, 2 * n_states).unwrap();
        match &spec.compiled.recognised {
            Recognised::Fixed(_) => "fixed",
            Recognised::Affine(_) => "affine",
            Recognised::LocalFamily(_) => "family",
            Recognised::OfProbabilities(_) => "probabilities",
            Recognised::Nothing => "nothing",
        }
    };
    assert_eq!(kind(bandit("2 * 3 - 1"), 1), "fixed");
    assert_eq!(kind(bandit("-(pi[0,0] - 3) / 4 * 2"), 1), "affine");
    assert_eq!(kind(bandit("pi[0,0]^2"), 1), "probabilities");
    assert_eq!(kind(bandit("theta[0]^2"), 1), "nothing");
    // Slopes that cancel.
    assert_eq!(kind(bandit("1 + pi[0,0] - pi[0,0]"), 1), "fixed");
    let rows = |first: &str| {
        let all = [([0, 0, 0], first), ([0, 0, 1], "1/2 + pi[1,0]/2"), ([0, 1, 0], "1"), ([1, 0, 1], "1")];
        texts(&[&all[..], &[([1, 1, 1], "1")]].concat(), &[])
    };
    assert_eq!(kind(rows("pi[1,1]/3"), 2), "nothing", "a kernel for no policy");
    assert_eq!(kind(rows("(1 - pi[1,0])/2"), 2), "affine");
    // Rows that add up to 1 as polynomials of what is none.
    let squares = |last: &str| {
        let weights =
            ["exp(-pi[0,0])*(1 - pi[1,1]^2)", "exp(-pi[0,0])*pi[1,1]^2 + 1 - exp(-pi[0,0])", "1", "1", "1"];
        let entries = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 1]];
        let mut all: Vec<([usize; 3], &str)> = entries.into_iter().zip(weights).collect();
        all[1].1 = last;
        kind(texts(&all, &[]), 2)
    };
    assert_eq!(squares("exp(-pi[0,0])*pi[1,1]^2 + 1 - exp(-pi[0,0])"), "probabilities");
    assert_eq!(squares("exp(-pi[0,0])*pi[1,1]*pi[1,1] + (2 - 2*exp(-pi[0,0]))/2"), "probabilities");
    assert_eq!(squares("exp(-pi[0,0])*pi[1,1]^2 + 1 - exp(-pi[0,1])"), "nothing");
    let matters = |texts: FormulaTexts| {
        let spec = FormulasSpec::new(texts, 2, 2, 4).unwrap();
        match &spec.compiled.recognised {
            Recognised::OfProbabilities(matters) => matters.clone(),
            _ => panic!(),
        }
    };
    let home = [([0, 0, 1], "1"), ([0, 1, 1], "1"), ([1, 0, 0], "1"), ([1, 1, 0], "1")];
    assert_eq!(matters(texts(&home, &[([0, 0], "pi[0,0]^2")])), [true, false]);
    assert_eq!(matters(texts(&home, &[([0, 0], "pi[1,0]^2"), ([0, 1], "pi[1,0]^2")])), [false, true]);
    let family = |first: &str, reward: &str| {
        let entries = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]];
        let weights = [first, "1", "exp(2 * theta[0,1])", "1", "3", "4"];
        let all: Vec<([usize; 3], &str)> = entries.into_iter().zip(weights).collect();
        let rewards =
            [([0, 0], reward), ([0, 1], "theta[0,1]"), ([1, 0], "theta[1,0]"), ([1, 1], "theta[1,1]")];
        FormulaTexts { normalise: true, ..texts(&all, &rewards) }
    };
    assert_eq!(kind(family("exp(2 * theta[0,0])", "theta[0,0]"), 2), "nothing", "psi[0] is 2 and 0");
    let mut one = family("exp(2 * theta[0,0])", "5 + theta[0,0]");
    one.transitions[4] = ([1, 0, 1], "4".to_owned());
    assert_eq!(kind(one.clone(), 2), "family");
    one.rewards[0].1 = "5 + 2 * theta[0,0]".to_owned();
    assert_eq!(kind(one, 2), "nothing", "slopes differ");
}

#[test]
fn what_is_no_kernel_at_the_policy_is_refused() {
    let problem = |first: &str, reward: &str| {
        let transitions = [([0, 0, 0], first), ([0, 1, 0], "1")];
        let environment = FormulasSpec::new(texts(&transitions, &[([0, 0], reward)]), 1, 2, 2).unwrap();
        deployed(environment, Probabilities { values: vec![0.25.into(), 0.75.into()] }.into()).unwrap()
    };
    let refused = |first: &str, reward: &str| {
        let problem = problem(first, reward);
        (problem.answer().unwrap_err().to_string(), problem.exact_answer().err().map(|e| e.to_string()))
    };
    let both = |message: &str| (message.to_owned(), Some(message.to_owned()));
    let sum = "environment.transitions: P(.|s=0,a=0) sums to 0.5 at this policy, expected 1";
    assert_eq!(refused("2 * pi[0,0]", "1"), both(sum));
    let negative = "environment.transitions: P(t=0|s=0,a=0) is -0.25 at this policy, expected at least 0";
    assert_eq!(refused("-pi[0,0]", "1"), both(negative));
    let zero = "environment.rewards[0]: divides by 0 at this policy";
    assert_eq!(refused("1", "1/(pi[0,0] - 1/4)"), both(zero));
    assert_eq!(refused("1", "(pi[0,0] - 1/4)^-1"), both(zero));
    assert_eq!(refused("1", "1/(pi[0,1]/3 - pi[0,1]/3)"), both(zero));
    let log = "environment.rewards[0]: takes the logarithm of -0.5, expected that of a positive number, at this policy";
    assert_eq!(refused("1", "log(pi[0,0] - pi[0,1])").0, log);
    let root = "environment.rewards[0]: takes the square root of 0, expected that of a positive number, at this policy";
    assert_eq!(refused("1", "sqrt(pi[0,0] - 1/4)").0, root);
    let answer = problem("1", "max(pi[0,0], 1/4)").answer().unwrap();
    assert!(!answer.smooth);
    assert_eq!(answer.kink.len(), 1);
    // Both sides have the same derivative.
    assert!(problem("1", "abs((pi[0,0] - 1/4)^2) + max(1, min(1, pi[0,1] + 3))").answer().unwrap().smooth);
    // What is not chosen, or multiplied by 0, has no say.
    for smooth in [
        "max(abs(pi[0,0] - 1/4), 1)",
        "(pi[0,0] - 1/4)*abs(pi[0,0] - 1/4)",
        "abs(pi[0,0] - 1/4)*(pi[0,0] - 1/4)",
        "pi[0,0] - min(3, abs(pi[0,1] - 3/4) + 4)",
    ] {
        assert!(problem("1", smooth).answer().unwrap().smooth, "{smooth}");
    }
    assert!(!problem("1", "pi[0,0]*abs(pi[0,0] - 1/4)").answer().unwrap().smooth);
    // Nearly one.
    assert!(problem("1", "max(pi[0,0], 1/4 + 1e-300)").answer().unwrap().smooth);
    // What is added up in doubles is no number far away.
    let cancelled = problem("1", "exp(800) * pi[0,0] / exp(799.5)").answer().unwrap();
    assert!((cancelled.value - 0.25 * 0.25 * 0.5_f64.exp() * 2.0).abs() <= 1e-15);
}

#[test]
fn policies_have_what_formulas_speak_of() {
    let environment = FormulasSpec::new(bandit("theta[1]"), 1, 2, 2).unwrap();
    let with = |policy: PolicySpec| deployed(environment.clone(), policy);
    let direct = with(Probabilities { values: vec![0.25.into(), 0.75.into()] }.into()).unwrap_err();
    let expected = "environment.rewards[0]: speaks of theta, expected pi only with policy probabilities";
    assert_eq!(direct.to_string(), expected);
    let softmax = with(Softmax { logits: vec![0.5.into(), 2.0.into()] }.into()).unwrap();
    let answer = softmax.answer().unwrap();
    let p = 1.0 / (1.0 + 1.5_f64.exp());
    assert!((answer.value - 4.0 * p).abs() < 1e-15);
    // (1/(1-gamma)) (2 dp + p d theta[1]): of theta[1] both ways.
    let slope = p * (1.0 - p);
    for (seen, expected) in answer.gradient.iter().zip([4.0 * slope, -4.0 * slope + 2.0 * p]) {
        assert!((seen.unwrap() - expected).abs() < 1e-14);
    }
    let expected = "environment.rewards[0]: speaks of theta, which is not rational, expected + - * / and integer powers of pi";
    assert_eq!(
        softmax.environment().not_rational().map(|(path, text)| format!("{path}: {text}")),
        Some(expected.to_owned())
    );
    let fewer = environment.check(&mut Checker::new(
        Reading::Doubles,
        crate::problem::checker::PolicyShape { n_parameters: 1, ..softmax.policy().shape() },
        1,
        2,
    ));
    assert_eq!(
        fewer.unwrap_err().to_string(),
        "environment.rewards[0]: speaks of theta[1], expected at most 1 parameters"
    );
}

#[test]
fn fractions_that_would_be_too_long_are_refused() {
    let mut texts = bandit("a[40]");
    let squares = (1..=40).map(|i| (format!("a[{i}]"), format!("a[{}]^2", i - 1)));
    texts.definitions = squares.chain([("a[0]".to_owned(), "pi[0,0]".to_owned())]).collect();
    let spec = FormulasSpec::new(texts, 1, 2, 2).unwrap();
    let (path, reason) = spec.not_rational().unwrap();
    assert!(path.starts_with("environment.definitions.a["), "{path}");
    assert_eq!(reason, "takes millions of digits as a fraction, expected shorter formulas");
    let gamma = Numeral::ZERO;
    let given = Given {
        n_states: 1,
        n_actions: 2,
        gamma: &gamma,
        actions: &ActionSets::default(),
        has_local_logits: true,
    };
    assert!(spec.rational_response::<Rational>(given).unwrap().is_none());
    assert!(spec.response::<Ball>(given).is_ok());
}
