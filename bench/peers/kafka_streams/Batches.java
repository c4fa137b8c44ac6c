import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.streams.processor.TaskId;

/** The batch of each task, by which its processors know of each other. */
final class Batches {
    private final Map<TaskId, Batch> batches = new ConcurrentHashMap<>();

    /** For a task that starts, or starts again after a transaction was aborted. */
    Batch start(TaskId task, Counts counts) {
        Batch batch = new Batch(counts);
        batches.put(task, batch);
        return batch;
    }

    Batch of(TaskId task) {
        return batches.get(task);
    }
}

/** What a task has worked on since its last commit, as far as it is not yet published. */
final class Batch {
    private static final int MAX_LINES = 1000;
    private static final int MAX_BYTES = 256 * 1024;
    /** No line is longer: names of topics are bounded. */
    private static final int MAX_LINE = 2048;
    private static final String START = "{\"message_details\":[";

    private final JsonBytes lines = new JsonBytes(MAX_BYTES);
    private int lineCount;
    private Counts counts;
    /** Whether the commit to come will ask for it. */
    boolean isMarked;

    Batch(Counts counts) {
        this.counts = counts;
    }

    Counts counts() {
        return counts;
    }

    /** The counts to add the message at `offset` to; they begin anew where it was counted before. */
    Counts countsAt(long offset) {
        if (counts == null || offset < counts.nextOffset) {
            counts = new Counts(offset);
        }
        counts.nextOffset = offset + 1;
        return counts;
    }

    boolean isFull() {
        return lineCount == MAX_LINES || lines.length() > MAX_BYTES - MAX_LINE;
    }

    /** Where to write the next line of metrics. */
    JsonBytes nextLine() {
        return lineCount++ == 0 ? lines.ascii(START) : lines.raw(',');
    }

    /** The record of metrics of the lines that are left, or null. */
    byte[] takeLines() {
        if (lineCount == 0) {
            return null;
        }
        byte[] record = lines.ascii("]}").copy();
        lines.truncate(0);
        lineCount = 0;
        return record;
    }
}
