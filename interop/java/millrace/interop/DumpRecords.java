package millrace.interop;

import com.fasterxml.jackson.core.JsonGenerator;

import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Opens segment files with Kafka's own reader and writes every record as a JSON line, control
 * records included. It is what Kafka's broker would see in the files: each batch must pass Kafka's
 * checksum, and no byte may be left over after the last batch.
 *
 * <p>Usage: DumpRecords output-folder segment.log ... writes 0.jsonl, 1.jsonl, ... in the order of
 * the arguments. Exit code 1 and a stack trace on damage.
 */
public final class DumpRecords {
    private DumpRecords() {}

    public static void main(String[] arguments) throws IOException {
        for (int i = 1; i < arguments.length; i++) {
            try (RecordLines lines = new RecordLines(Path.of(arguments[0], i - 1 + ".jsonl"))) {
                dump(Path.of(arguments[i]), lines);
            }
        }
    }

    private static void dump(Path file, RecordLines lines) throws IOException {
        try (FileRecords records = FileRecords.open(file.toFile(), false)) {
            long bytes = 0;
            for (RecordBatch batch : records.batches()) {
                batch.ensureValid();
                for (Record record : batch) {
                    record.ensureValid();
                    write(batch, record, lines);
                }
                bytes += batch.sizeInBytes();
            }
            if (bytes != records.sizeInBytes()) {
                throw new IOException(
                        file
                                + ": "
                                + (records.sizeInBytes() - bytes)
                                + " bytes after the last batch");
            }
        }
    }

    private static void write(RecordBatch batch, Record record, RecordLines lines)
            throws IOException {
        JsonGenerator json =
                lines.begin(
                        record.offset(),
                        record.timestamp(),
                        RecordLines.bytesOf(record.key()),
                        RecordLines.bytesOf(record.value()),
                        Arrays.asList(record.headers()));
        json.writeNumberField("batchLastOffset", batch.lastOffset());
        json.writeNumberField("batchTimestampMax", batch.maxTimestamp());
        json.writeStringField("codec", batch.compressionType().name);
        json.writeBooleanField("control", batch.isControlBatch());
        json.writeBooleanField("deleteHorizon", batch.deleteHorizonMs().isPresent());
        lines.end();
    }
}
