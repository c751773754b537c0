"""The program that this overlay shows: counts words, collects how often each was there, and prints that.

Yours takes its place: as another file in kustomization.yaml, or in an image that begins with Millstream's. What tasks
themselves print lies in their TaskManager's log files, so a program whose input has no end writes to a sink.
"""

from millstream import StreamExecutionEnvironment

LINES = ["to be or not to be", "that is the question"] * 1000

env = StreamExecutionEnvironment.get_execution_environment()
counts = (
    env.from_collection(LINES)
    .flat_map(lambda line: [(word, 1) for word in line.split()])
    .key_by(lambda pair: pair[0])
    .reduce(lambda one, other: (one[0], one[1] + other[1]))
)
with counts.execute_and_collect("words") as results:
    for word, count in sorted(dict(results).items()):
        print(word, count)
