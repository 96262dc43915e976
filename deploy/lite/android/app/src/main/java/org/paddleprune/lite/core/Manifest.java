package org.paddleprune.lite.core;

import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** manifest.json of tools/export.py: all that the app knows of the model. */
public final class Manifest {
    public final String task; // classification, detection, segmentation or matting
    public final List<String> labels = new ArrayList<>();
    public final int height;
    public final int width;
    public final JSONArray transforms;
    private final JSONObject files;

    /** @throws JSONException if a key is missing, or the export is of another format. */
    public Manifest(String text) throws JSONException {
        JSONObject raw = new JSONObject(text);
        if (!raw.getString("export").equals("lite")) {
            throw new JSONException("no export of format lite; use tools/export.py --format lite");
        }
        task = raw.getString("task");
        JSONArray names = raw.getJSONArray("labels");
        for (int i = 0; i < names.length(); i++) {
            labels.add(names.getString(i));
        }
        JSONArray shape = raw.getJSONObject("input").getJSONArray("shape");
        height = shape.getInt(2);
        width = shape.getInt(3);
        transforms = raw.getJSONArray("transforms");
        files = raw.optJSONObject("files");
    }

    /** @throws IOException if the bytes of the file are not those that the manifest was written with: a runtime
     *  crashes on what is not. */
    public void verify(String name, byte[] bytes) throws IOException {
        JSONObject facts = files == null ? null : files.optJSONObject(name);
        if (facts == null) {
            throw new IOException("the manifest knows no " + name + "; copy the files of one export");
        }
        if (bytes.length != facts.optLong("size_bytes") || !sha256(bytes).equals(facts.optString("sha256"))) {
            throw new IOException(name + " is not the file that the manifest is of; copy both again");
        }
    }

    private static String sha256(byte[] bytes) {
        try {
            StringBuilder text = new StringBuilder();
            for (byte one : MessageDigest.getInstance("SHA-256").digest(bytes)) {
                text.append(String.format("%02x", one));
            }
            return text.toString();
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Android has it
        }
    }
}
