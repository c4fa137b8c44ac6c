import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** What was counted of one partition; the record of summary-output is also how it is kept. */
final class Counts {
    private static final int MAX_DEVICE_TYPES = 32;
    private static final int MAX_LOCALES = 64;
    private static final Pattern DEVICE_TYPE = Pattern.compile("[A-Za-z][A-Za-z0-9 ._-]{0,15}");
    private static final Pattern LOCALE = Pattern.compile(
            "[A-Za-z]{2,3}([_-][A-Za-z]{4})?([_-]([A-Za-z]{2}|[0-9]{3}))?");
    private static final String OTHER = "__other__";

    long nextOffset;
    private final long countedSince;
    private final long[] outcomes = new long[Outcome.values().length];
    private long replayed;
    private final Map<String, long[]> deviceTypes = new LinkedHashMap<>();
    private final Map<String, long[]> locales = new LinkedHashMap<>();

    Counts(long firstOffset) {
        countedSince = firstOffset;
    }

    static Counts of(byte[] summary) {
        JsonNode stored;
        try {
            stored = new ObjectMapper().readTree(summary);
        } catch (IOException broken) {
            throw new IllegalStateException("the stored counts cannot be read", broken);
        }
        Counts counts = new Counts(stored.get("counted_since_offset").asLong());
        counts.nextOffset = stored.get("next_offset").asLong();
        counts.replayed = stored.get("replayed_count").asLong();
        for (Outcome outcome : Outcome.values()) {
            JsonNode count = outcome.isError
                    ? stored.get("error_type_counts").path(outcome.label)
                    : stored.get(outcome.label + "_count");
            counts.outcomes[outcome.ordinal()] = count.asLong();
        }
        for (Map.Entry<String, JsonNode> each : stored.get("device_type_counts").properties()) {
            counts.deviceTypes.put(each.getKey(), new long[] {each.getValue().asLong()});
        }
        for (Map.Entry<String, JsonNode> each : stored.get("locale_counts").properties()) {
            counts.locales.put(each.getKey(), new long[] {each.getValue().asLong()});
        }
        return counts;
    }

    void add(Outcome outcome, boolean isReplay) {
        outcomes[outcome.ordinal()]++;
        if (isReplay) {
            replayed++;
        }
    }

    void addProcessed(String deviceType, String locale) {
        addLabel(deviceTypes, deviceType, DEVICE_TYPE, MAX_DEVICE_TYPES);
        addLabel(locales, locale, LOCALE, MAX_LOCALES);
    }

    private static void addLabel(
            Map<String, long[]> counts, String label, Pattern form, int limit) {
        long[] count = counts.get(label);
        if (count == null) {
            int listed = counts.size() - (counts.containsKey(OTHER) ? 1 : 0);
            String name = listed < limit && form.matcher(label).matches() ? label : OTHER;
            count = counts.computeIfAbsent(name, key -> new long[1]);
        }
        count[0]++;
    }

    byte[] summary(String group, String topic, int partition, long now) {
        long total = 0;
        long errors = 0;
        for (Outcome outcome : Outcome.values()) {
            total += outcomes[outcome.ordinal()];
            errors += outcome.isError ? outcomes[outcome.ordinal()] : 0;
        }
        JsonBytes out = new JsonBytes(2048);
        out.ascii("{\"consumer_group\":").string(group);
        out.ascii(",\"source_topic\":").string(topic);
        out.ascii(",\"source_partition\":").number(partition);
        out.ascii(",\"next_offset\":").number(nextOffset);
        out.ascii(",\"counted_since_offset\":").number(countedSince);
        out.ascii(",\"total_received_count\":").number(total);
        out.ascii(",\"processed_count\":").number(outcomes[Outcome.PROCESSED.ordinal()]);
        out.ascii(",\"filtered_count\":").number(outcomes[Outcome.FILTERED.ordinal()]);
        out.ascii(",\"skipped_count\":").number(outcomes[Outcome.SKIPPED.ordinal()]);
        out.ascii(",\"error_count\":").number(errors);
        out.ascii(",\"replayed_count\":").number(replayed);
        Map<String, long[]> errorTypes = new LinkedHashMap<>();
        for (Outcome outcome : Outcome.values()) {
            if (outcome.isError && outcomes[outcome.ordinal()] > 0) {
                errorTypes.put(outcome.label, new long[] {outcomes[outcome.ordinal()]});
            }
        }
        write(out.ascii(",\"error_type_counts\":"), errorTypes);
        write(out.ascii(",\"device_type_counts\":"), deviceTypes);
        write(out.ascii(",\"locale_counts\":"), locales);
        return out.ascii(",\"timestamp\":\"").time(now, true).ascii("\"}").copy();
    }

    private static void write(JsonBytes out, Map<String, long[]> counts) {
        char separator = '{';
        for (Map.Entry<String, long[]> each : counts.entrySet()) {
            out.raw(separator).string(each.getKey()).raw(':').number(each.getValue()[0]);
            separator = ',';
        }
        if (counts.isEmpty()) {
            out.raw('{');
        }
        out.raw('}');
    }
}
