// The answer to an `exponential-family` problem with a softmax policy, no entropy and no clip: node answer.js PROBLEM > ANSWER
const problem = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
const { gamma, initial, environment: { psi, base_logits, reward } } = problem, theta = problem.policy.logits;
const sum = xs => xs.reduce((x, y) => x + y, 0), dot = (x, y) => sum(x.map((v, i) => v * y[i]));
const softmax = xs => { const e = xs.map(x => Math.exp(x - Math.max(...xs))), total = sum(e); return e.map(x => x / total); };

/** x with A x = b, by elimination. */
function solve(A, b) {
  const rows = A.map((row, i) => [...row, b[i]]), n = b.length;
  for (let i = 0; i < n; i++) {
    let best = i;
    for (let j = i + 1; j < n; j++) if (Math.abs(rows[j][i]) > Math.abs(rows[best][i])) best = j;
    [rows[i], rows[best]] = [rows[best], rows[i]];
    for (let j = 0; j < n; j++) if (j !== i) {
      const factor = rows[j][i] / rows[i][i];
      rows[j] = rows[j].map((x, k) => x - factor * rows[i][k]);
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

const pi = theta.map(softmax);                                                                     // [s][a]
const P = theta.map((row, s) => row.map((x, a) => softmax(psi.map((y, t) => base_logits[s][a][t] + y * x))));
const r = theta.map((row, s) => row.map((x, a) => reward.base[s][a] + reward.slope * x));
const system = pi.map((row, s) => psi.map((_, t) => (s === t) - gamma * dot(row, P[s].map(p => p[t]))));
const V = solve(system, pi.map((row, s) => dot(row, r[s])));
const visits = solve(system.map((_, s) => system.map(row => row[s])), initial);
const d = pi.map((row, s) => row.map(p => visits[s] * p));                                         // not normalised
const Q = r.map((row, s) => row.map((x, a) => x + gamma * dot(P[s][a], V)));
const slopes = P.map(rows => rows.map(p => dot(p.map((x, t) => x * (psi[t] - dot(p, psi))), V)));  // sum_t dP[s,a,t] V[t]
const gradient = d.map((row, s) => row.map((x, a) => x * (Q[s][a] - V[s] + gamma * slopes[s][a] + reward.slope)));
console.log(JSON.stringify({ format: "pemdp-answer/1", value: dot(initial, V), state_values: V, action_values: Q, occupancy: d, gradient }));
