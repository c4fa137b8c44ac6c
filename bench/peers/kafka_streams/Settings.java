import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/** The daemon's settings, from the environment, and what suits Kafka Streams best. */
final class Settings {
    private final Map<String, String> environment = System.getenv();

    final String group = given("CONSUMER_GROUP", "kafka-processor");
    final String inputTopic = given("INPUT_TOPIC", "user-login");
    final String processedTopic = given("PROCESSED_TOPIC", "processed-output");
    final String errorsTopic = given("ERRORS_TOPIC", "processed-errors");
    final String cleanedTopic = given("CLEANED_TOPIC", "cleaned-data");
    final String summaryTopic = given("SUMMARY_TOPIC", "summary-output");
    /** Empty: no metrics. */
    final String metricsTopic = environment.getOrDefault("METRICS_TOPIC", "metrics-output").strip();
    /** Milliseconds; 0: none is too old. */
    final double maxMessageAge = Double.parseDouble(given("MAX_MESSAGE_AGE", "60")) * 1000;
    final Set<String> acceptedAppVersions =
            Arrays.stream(given("ACCEPTED_APP_VERSIONS", "2.3.0").split(","))
                    .map(String::strip)
                    .collect(Collectors.toUnmodifiableSet());
    private final byte[] key = key(given("DEVICE_ID_KEY", ""));

    boolean hasMetrics() {
        return !metricsTopic.isEmpty();
    }

    String summaryKey(int partition) {
        return group + "/" + inputTopic + "-" + partition;
    }

    Transformation transformation() {
        try {
            return new Transformation(key);
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /**
     * Figures were measured: docs/performance.md. STREAMS_PROPERTIES, as name=value with commas
     * between, wins over all of them: for tuning.
     */
    Properties streams() {
        boolean isExactlyOnce = given("DELIVERY", "exactly-once").equals("exactly-once");
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
        properties.put(
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG,
                given("KAFKA_BOOTSTRAP_SERVERS", "localhost:29092"));
        properties.put(
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
                isExactlyOnce ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, given("STREAMS_THREADS", "2"));
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given("COMMIT_INTERVAL_MS", "200"));
        properties.put(
                StreamsConfig.STATE_DIR_CONFIG,
                given("STATE_DIR", System.getProperty("java.io.tmpdir") + "/kafka-streams"));
        // Else partitions are paused and resumed all the time.
        properties.put(
                StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, given("BUFFERED_RECORDS", "20000"));
        properties.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG),
                given("BUFFERED_RECORDS", "20000"));
        properties.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "8388608");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), "33554432");
        properties.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG),
                given("AUTO_OFFSET_RESET", "earliest"));
        properties.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
        properties.put(
                StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), given("LINGER_MS", "50"));
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "262144");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), "134217728");
        for (String each : given("STREAMS_PROPERTIES", "").split("[,\\s]+")) {
            String[] parts = each.split("=", 2);
            if (parts.length == 2) {
                properties.put(parts[0], parts[1]);
            }
        }
        return properties;
    }

    /** An empty variable is one that is not set. */
    private String given(String name, String otherwise) {
        String value = environment.getOrDefault(name, "").strip();
        return value.isEmpty() ? otherwise : value;
    }

    private static byte[] key(String text) {
        byte[] key;
        try {
            key = HexFormat.of().parseHex(text);
        } catch (IllegalArgumentException notHex) {
            key = Base64.getDecoder().decode(text);
        }
        if (key.length < 32) {
            throw new IllegalArgumentException("DEVICE_ID_KEY: 32 bytes or more as hex or base64");
        }
        return key;
    }
}
