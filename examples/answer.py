"""The answer to an `exponential-family` problem with a softmax policy, no entropy and no clip: answer.py PROBLEM > ANSWER"""
import json
import sys

import numpy as np


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


with open(sys.argv[1], encoding="utf-8") as file:
    problem = json.load(file)
gamma, environment = problem["gamma"], problem["environment"]
theta, psi = np.array(problem["policy"]["logits"]), np.array(environment["psi"])
slope = environment["reward"]["slope"]
pi = softmax(theta)                                                               # [s,a]
P = softmax(np.array(environment["base_logits"]) + theta[:, :, None] * psi)       # [s,a,t]
r = np.array(environment["reward"]["base"]) + slope * theta
system = np.eye(len(pi)) - gamma * np.einsum("sa,sat->st", pi, P)
V = np.linalg.solve(system, (pi * r).sum(1))
d = np.linalg.solve(system.T, np.array(problem["initial"]))[:, None] * pi         # not normalised
Q = r + gamma * P @ V
dP = P * (psi - (P @ psi)[:, :, None])                                            # of P[s,a,t] by theta[s,a]
gradient = d * (Q - V[:, None] + gamma * dP @ V + slope)
answer = {"value": problem["initial"] @ V, "state_values": V, "action_values": Q, "occupancy": d, "gradient": gradient}
print(json.dumps({"format": "pemdp-answer/1"} | {key: x.tolist() for key, x in answer.items()}))
