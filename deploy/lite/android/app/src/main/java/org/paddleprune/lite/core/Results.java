package org.paddleprune.lite.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** What the outputs say of a picture: facts, and for masks and mattes a map of the picture's size. */
public final class Results {
    public static final float SHOWN = 0.3f; // score of a box that is reported

    public final JSONObject facts = new JSONObject();
    public byte[] map; // [height * width], null where there is none
    public final Manifest manifest;
    public final int width;
    public final int height;

    /** One output of the network; whole numbers as floats. */
    public static final class Output {
        public final long[] shape;
        public final float[] values;

        public Output(long[] shape, float[] values) {
            this.shape = shape;
            this.values = values;
        }
    }

    public Results(List<Output> outputs, Manifest manifest, int width, int height) throws JSONException {
        this.manifest = manifest;
        this.width = width;
        this.height = height;
        switch (manifest.task) {
            case "classification":
                facts.put("top", classes(outputs.get(0).values));
                break;
            case "detection":
                facts.put("boxes", boxes(outputs.get(0).values, (int) outputs.get(1).values[0]));
                break;
            case "segmentation":
                map = mask(outputs.get(0));
                break;
            case "matting":
                map = alpha(outputs.get(0));
                break;
            default:
                throw new JSONException("the task '" + manifest.task + "' is not known to this app");
        }
    }

    private JSONArray classes(final float[] scores) throws JSONException {
        Integer[] order = new Integer[scores.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Float.compare(scores[b], scores[a]));
        JSONArray top = new JSONArray();
        for (int i = 0; i < Math.min(5, order.length); i++) {
            top.put(new JSONObject().put("label", manifest.labels.get(order[i])).put("index", order[i])
                    .put("score", (double) scores[order[i]]));
        }
        return top;
    }

    private JSONArray boxes(float[] values, int count) throws JSONException {
        List<float[]> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            float[] row = Arrays.copyOfRange(values, 6 * i, 6 * i + 6);
            if (row[1] >= SHOWN) {
                rows.add(row);
            }
        }
        rows.sort(Comparator.comparingDouble(row -> -row[1]));
        JSONArray boxes = new JSONArray();
        for (float[] row : rows) {
            JSONArray box = new JSONArray().put((double) row[2] * width).put((double) row[3] * height)
                    .put((double) row[4] * width).put((double) row[5] * height);
            boxes.put(new JSONObject().put("label", manifest.labels.get((int) row[0])).put("index", (int) row[0])
                    .put("score", (double) row[1]).put("box", box));
        }
        return boxes;
    }

    /** The class of each pixel, from the nearest one of the network's. */
    private byte[] mask(Output scores) {
        int classes = (int) scores.shape[1];
        int rows = (int) scores.shape[2];
        int columns = (int) scores.shape[3];
        byte[] result = new byte[width * height];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int place = (int) ((long) y * rows / height) * columns + (int) ((long) x * columns / width);
                int best = 0;
                for (int c = 1; c < classes; c++) {
                    if (scores.values[c * rows * columns + place] > scores.values[best * rows * columns + place]) {
                        best = c;
                    }
                }
                result[y * width + x] = (byte) best;
            }
        }
        return result;
    }

    private byte[] alpha(Output matte) {
        float[] values = matte.values.clone();
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.min(1f, Math.max(0f, values[i]));
        }
        float[] large = Resize.plane(values, (int) matte.shape[3], (int) matte.shape[2], width, height, false);
        byte[] result = new byte[large.length];
        for (int i = 0; i < large.length; i++) {
            result[i] = (byte) Math.rint(255 * large[i]);
        }
        return result;
    }
}
