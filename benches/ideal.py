"""What the best server could do with the requests of a tail scenario: one queue before all threads, which costs nothing.

`python -m benches.ideal --rate 150 --seconds 4 --servers 2` prints percentiles of the fast requests in milliseconds, of
the same sequence of fast and slow requests that `benches.paced` sends.
"""

import argparse
import heapq
import json
import random

from .paced import percentiles

FAST = 0.0002


def latencies(rate, seconds, servers, slow=0.2, slow_share=0.02, seed=1):
    """Seconds from when each fast request is due to the end of its service."""
    chance = random.Random(seed)
    free = [0.0] * servers
    for number in range(int(rate * seconds)):
        due = number / rate
        is_slow = chance.random() < slow_share
        end = max(due, heapq.heappop(free)) + (slow if is_slow else FAST)
        heapq.heappush(free, end)
        if not is_slow:
            yield end - due


def main():
    parser = argparse.ArgumentParser(prog="python -m benches.ideal", description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(percentiles(latencies(options.rate, options.seconds, options.servers, seed=options.seed))))


if __name__ == "__main__":
    main()
