import json

from pyflink.common import Configuration, Duration, RestartStrategies, Types
from pyflink.datastream import (
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    FlatMapFunction,
    HashMapStateBackend,
    Partitioner,
    RuntimeContext,
    SlotSharingGroup,
    StreamExecutionEnvironment,
)

if __name__ == "__main__":
    config = Configuration()
    config.set_string("execution.checkpointing.mode", "EXACTLY_ONCE").set_integer("parallelism.default", 2)
    env = StreamExecutionEnvironment.get_execution_environment(configuration=config)
    env.set_max_parallelism(16)
    env.set_buffer_timeout(10)
    env.enable_checkpointing(60000, CheckpointingMode.EXACTLY_ONCE)
    checkpoints = env.get_checkpoint_config()
    checkpoints.set_min_pause_between_checkpoints(500)
    checkpoints.set_checkpoint_timeout(120000)
    checkpoints.set_tolerable_checkpoint_failure_number(2)
    checkpoints.set_max_concurrent_checkpoints(1)
    checkpoints.set_externalized_checkpoint_retention(ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION)
    checkpoints.enable_unaligned_checkpoints()
    checkpoints.set_alignment_timeout(Duration.of_seconds(3))
    env.get_config().set_auto_watermark_interval(100)
    env.get_config().set_global_job_parameters({"greeting": "hello"})
    env.set_state_backend(HashMapStateBackend())
    env.set_restart_strategy(RestartStrategies.fixed_delay_restart(3, 1000))
    env.add_jars("file:///no/such.jar")

    print(env.get_parallelism(), env.get_max_parallelism(), env.get_buffer_timeout())
    print(checkpoints.get_checkpoint_interval(), checkpoints.get_checkpointing_mode() == CheckpointingMode.EXACTLY_ONCE)
    print(checkpoints.is_unaligned_checkpoints_enabled(), checkpoints.get_alignment_timeout() == Duration.of_seconds(3))

    class Greet(FlatMapFunction):
        def open(self, runtime_context: RuntimeContext):
            self.greeting = runtime_context.get_job_parameter("greeting", "nothing")
            self.subtasks = runtime_context.get_number_of_parallel_subtasks()

        def flat_map(self, value):
            yield "{} {} by {}".format(self.greeting, value, self.subtasks)

    class ByLength(Partitioner):
        def partition(self, key: int, num_partitions: int) -> int:
            return key % num_partitions

    group = SlotSharingGroup.builder("small").set_cpu_cores(1.0).set_task_heap_memory_mb(64).build()
    names = env.from_collection(["ann", "bobo"], type_info=Types.STRING()).name("names").uid("names")
    greeted = (
        names.partition_custom(ByLength(), lambda name: len(name))
        .flat_map(Greet(), output_type=Types.STRING())
        .name("greeter")
        .uid("greeter")
        .set_parallelism(2)
        .slot_sharing_group(group)
    )
    greeted.rescale().map(lambda text: text.upper(), Types.STRING()).start_new_chain().disable_chaining().print()
    greeted.global_().filter(lambda text: True).set_parallelism(1).set_description("all of them").print("all")
    for node in json.loads(env.get_execution_plan())["nodes"]:
        print(node["pact"], node["type"], node["parallelism"], [p["ship_strategy"] for p in node.get("predecessors", [])])
    result = env.execute("configured")
    print(result.get_net_runtime() >= 0)
