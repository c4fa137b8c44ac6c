import java.nio.charset.StandardCharsets;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * How metrics and counts come into the same transaction as what they are about.
 *
 * <p>The record cache is all that Kafka Streams offers for that: what a table holds back in it is
 * forwarded within each commit, also that of a rebalance or of a clean stop, before the offsets. A
 * punctuator would not do, since a commit may come between two of its calls.
 */
final class AtCommit {
    private static final byte[] MARK = {};

    private AtCommit() {}

    /** Puts one entry into the cache for each commit. */
    static final class Marker implements FixedKeyProcessor<String, byte[], byte[]> {
        private final Batches batches;
        private FixedKeyProcessorContext<String, byte[]> context;
        private Batch batch;

        Marker(Batches batches) {
            this.batches = batches;
        }

        @Override
        public void init(FixedKeyProcessorContext<String, byte[]> context) {
            this.context = context;
            batch = null;
        }

        @Override
        public void process(FixedKeyRecord<String, byte[]> record) {
            if (batch == null) {
                batch = batches.of(context.taskId());
            }
            if (!batch.isMarked) {
                batch.isMarked = true;
                context.forward(record.withValue(MARK));
            }
        }
    }

    /** Gets that entry when the commit has begun. */
    static final class Publisher implements Processor<String, byte[], byte[], byte[]> {
        private final Settings settings;
        private final Batches batches;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, byte[]> store;

        Publisher(Settings settings, Batches batches) {
            this.settings = settings;
            this.batches = batches;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            store = context.getStateStore(LoginStreams.COUNTS);
        }

        @Override
        public void process(Record<String, byte[]> record) {
            Batch batch = batches.of(context.taskId());
            batch.isMarked = false;
            long now = System.currentTimeMillis();
            byte[] lines = batch.takeLines();
            if (lines != null) {
                context.forward(new Record<>(null, lines, now), LoginStreams.METRICS_AT_COMMIT);
            }
            int partition = context.taskId().partition();
            String key = settings.summaryKey(partition);
            byte[] summary = batch.counts().summary(settings.group, settings.inputTopic, partition, now);
            store.put(key, summary);
            context.forward(new Record<>(key.getBytes(StandardCharsets.UTF_8), summary, now), LoginStreams.SUMMARY);
        }
    }
}
