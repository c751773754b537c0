import pyflink.datastream as ds
from pyflink.common import Types

from pyflink_program_functions import LengthPerKey, Shout, is_long

if __name__ == "__main__":
    env = ds.StreamExecutionEnvironment.get_execution_environment()
    env.set_parallelism(1)
    words = env.from_collection(["a", "mill", "a", "wheel", "river"], type_info=Types.STRING())
    loud = words.filter(is_long).map(Shout("!"), output_type=Types.STRING())
    loud.key_by(lambda word: word[0], key_type=Types.STRING()).process(LengthPerKey(), Types.STRING()).print()
    words.map(lambda word: ds.TimeDomain.EVENT_TIME.name.lower()[: len(word)]).print("domain")
    env.execute("two modules")
