#!/usr/bin/env python3
"""Makes the fixtures of `cli/tests/import.rs` that other programs write, and prints values
of them that share no code with this one.

    python3 -m venv venv && venv/bin/pip install numpy scipy gymnasium pymdptoolbox
    venv/bin/python make.py
"""

import csv
import pathlib

import gymnasium
import mdptoolbox.example
import numpy as np
import scipy.sparse

HERE = pathlib.Path(__file__).parent


def value(transitions, rewards, gamma, terminal=()):
    """V of the uniform policy over all actions; transitions [s,a,t], rewards [s,a]."""
    transitions, rewards = np.array(transitions, float), np.array(rewards, float)
    for s in terminal:
        transitions[s], rewards[s] = 0, 0
    n, width, _ = transitions.shape
    matrix = np.eye(n) - gamma * transitions.sum(1) / width
    return np.linalg.solve(matrix, rewards.sum(1) / width)


def save(name, **arrays):
    np.savez_compressed(HERE / name, **arrays)


def frozen_lake():
    env = gymnasium.make("FrozenLake-v1", map_name="4x4", is_slippery=True).unwrapped
    n, width = env.observation_space.n, env.action_space.n
    transitions, rewards = np.zeros((n, width, n)), np.zeros((n, width, n))
    terminal = np.zeros(n, bool)
    with open(HERE / "frozen-lake.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["state", "action", "next_state", "prob", "reward", "done"])
        for s in range(n):
            for a in range(width):
                for p, t, r, done in env.P[s][a]:
                    writer.writerow([s, a, int(t), p, r, done])
                    transitions[s, a, t] += p
                    rewards[s, a, t] = r
                    terminal[t] |= done
    save("frozen-lake.npz", P=transitions, R=rewards, terminal=terminal, gamma=0.9, initial=0)
    mean = (transitions * rewards).sum(2)
    print("frozen lake", repr(value(transitions, mean, 0.9, np.flatnonzero(terminal))[0]))


def forest():
    transitions, rewards = mdptoolbox.example.forest()
    save("forest.npz", P=transitions, R=rewards)
    print("forest", repr(value(transitions.transpose(1, 0, 2), rewards, 0.96)[0]))


def layouts():
    """One model in float32, of whose rows some do not sum to 1, in several layouts."""
    random = np.random.default_rng(7)
    transitions = random.random((3, 2, 3)).astype(np.float32)
    transitions /= transitions.sum(2, keepdims=True)
    transitions[0, 0] = np.array([1 / 3, 1 / 3, 1 / 3], np.float32)
    transitions[1, 0] *= np.float32(1.0000003)
    rewards = np.array([[1, 0], [0, -2], [3, 4]])
    save("float32.npz", transitions=transitions, rewards=rewards)
    exact = transitions.astype(float)
    exact /= exact.sum(2, keepdims=True)
    print("float32", repr(value(exact, rewards, 0.9)[0]))
    quarters = np.array([[[0.25, 0.75], [1, 0], [0, 1]], [[0.5, 0.5], [0.25, 0.75], [1, 0]]])
    next_rewards = np.arange(12).reshape(2, 3, 2)
    np.savez(HERE / "sat.npz", P=quarters, R=next_rewards, gamma=np.float64(0.5))
    np.savez(
        HERE / "ast-big-endian-fortran.npz",
        P=np.asfortranarray(quarters.transpose(1, 0, 2)).astype(">f8", order="F"),
        R=np.asfortranarray(next_rewards.transpose(1, 0, 2)).astype(">i2", order="F"),
        gamma=np.array([0.5], ">f4"),
    )
    matrix = scipy.sparse.csr_matrix(quarters.reshape(6, 2))
    scipy.sparse.save_npz(HERE / "sparse.npz", matrix)
    np.save(HERE / "rewards.npy", (quarters * next_rewards).sum(2))
    print("sat", repr(value(quarters, (quarters * next_rewards).sum(2), 0.5)[0]))
    # Means in doubles that are a double, and that are none.
    tenths = np.array([[[0.1, 0.9], [0.3, 0.7]]] * 2)
    np.savez(HERE / "tenths.npz", P=tenths, R=np.array([[[1, 0], [0.1, 0.2]]] * 2), gamma=0.5)
    # A state without its first action, whose reward is minus infinity, and one without any.
    absent = np.zeros((3, 2, 3))
    absent[0, 0, :2], absent[0, 1, 2], absent[1, 1, 0] = 0.5, 1, 1
    paid = np.array([[1, 2], [-np.inf, 4], [0, 6]])
    np.savez(HERE / "absent.npz", P=absent, R=paid, pi=[[0.25, 0.75], [0, 1], [0.5, 0.5]], gamma=0.5)
    logits = np.array([[0.5, -0.25, 1.5], [0, 0, -1]])
    policy = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.savez(HERE / "policy.npz", P=quarters, R=next_rewards, gamma=0.5, rho=[0.25, 0.75], logits=logits)
    mean = (quarters * next_rewards).sum(2)
    induced = np.einsum("sa,sat->st", policy, quarters)
    values = np.linalg.solve(np.eye(2) - 0.5 * induced, (policy * mean).sum(1))
    print("policy", repr(np.dot([0.25, 0.75], values)))


if __name__ == "__main__":
    frozen_lake()
    forest()
    layouts()
